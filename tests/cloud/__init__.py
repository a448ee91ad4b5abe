"""The loopback cloud: Azure IMDS, Entra ID, Google STS, IAM Credentials and Artifact Registry on loopback, under their real names."""
