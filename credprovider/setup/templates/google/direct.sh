
for member in "${MEMBERS[@]}"; do
    gcloud artifacts repositories add-iam-policy-binding "$REPOSITORY" --location="$REPOSITORY_LOCATION" --project="$REPOSITORY_PROJECT" --quiet --condition=None --role=roles/artifactregistry.reader --member="$member" >/dev/null
done
