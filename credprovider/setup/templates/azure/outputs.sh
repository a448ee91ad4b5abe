
# --- what came of it -------------------------------------------------------------------------------------------------

@{guards}NEW=$(mktemp "$OUTPUTS.XXXXXX")
cat >"$NEW" <<JSON
{
@{fields}
}
JSON
chmod 644 "$NEW"
mv "$NEW" "$OUTPUTS"
cat "$OUTPUTS"
say "next: step 2 of README.md"
