"""The loopback cloud: Azure and Google on loopback, under their real names."""
