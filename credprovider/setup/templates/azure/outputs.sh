
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
say "next, in this folder: @{program} setup --again ."
