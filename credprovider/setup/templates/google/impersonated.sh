
ACCOUNT=@{account}
ACCOUNT_PROJECT=@{account_project}
FOUND=$(gcloud iam service-accounts list --project="$ACCOUNT_PROJECT" --quiet --filter="email=$ACCOUNT" --format='value(email)')
if [ -z "$FOUND" ]; then
    say "making the service account $ACCOUNT"
    gcloud iam service-accounts create "${ACCOUNT%%@*}" --project="$ACCOUNT_PROJECT" --quiet
fi
for member in "${MEMBERS[@]}"; do
    gcloud iam service-accounts add-iam-policy-binding "$ACCOUNT" --project="$ACCOUNT_PROJECT" --quiet --condition=None --role=roles/iam.workloadIdentityUser --member="$member" >/dev/null
done
gcloud artifacts repositories add-iam-policy-binding "$REPOSITORY" --location="$REPOSITORY_LOCATION" --project="$REPOSITORY_PROJECT" --quiet --condition=None --role=roles/artifactregistry.reader --member="serviceAccount:$ACCOUNT" >/dev/null
