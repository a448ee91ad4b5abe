
# --- whose tokens Entra ID takes for that identity -------------------------------------------------------------------

AUDIENCE=@{federation_audience}

federate() {
    local name=$1 subject=$2 there known
    there=(--resource-group "$IDENTITY_GROUP" --identity-name "$IDENTITY" --name "$name")
    if ! exists identity federated-credential show "${there[@]}"; then
        say "federating $subject"
        azure identity federated-credential create "${there[@]}" --issuer "$ISSUER" --subject "$subject" --audiences "$AUDIENCE" --output none
        return
    fi
    known=$(azure identity federated-credential show "${there[@]}" --query "join(' ', [issuer, subject, audiences[0]])" --output tsv)
    [ "$known" != "$ISSUER $subject $AUDIENCE" ] || return 0
    say "correcting the federation of $subject"
    azure identity federated-credential update "${there[@]}" --issuer "$ISSUER" --subject "$subject" --audiences "$AUDIENCE" --output none
}

@{federations}
