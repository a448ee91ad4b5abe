"""The loopback cloud: Azure and Google on loopback, under their real names, strict and faulty on demand.

The product has no test switch, so the tests bring the world to it. ``tests/cloud/enter COMMAND`` makes a private
network and mount namespace in which 169.254.169.254, login.microsoftonline.com, sts.googleapis.com,
iamcredentials.googleapis.com, us-docker.pkg.dev and more (`places`) lead to loopback; a cloud runs inside of it.

In tests, the fixture ``cloud`` (`fixtures`) is a `control.CloudProcess`, as new for each test; all of its methods are
those of `api.CloudApi`::

    def test_retries(cloud: CloudApi, tmp_path: Path) -> None:
        cloud.fault("sts", "status", times=2, status=503)
        setting = set_up(tmp_path, cloud, MODES_BY_NAME["managed-identity-impersonated"])
        ...  # run the plugin with setting.config and setting.request, SSL_CERT_FILE=cloud.ca_file
        assert [call["status"] for call in cloud.calls("sts")] == [503, 503, 200]

=============  =====================================================================================================
places         hosts, addresses, hops; prints the hosts file for `enter`
world          ids that exist in a fresh cloud; the vendor's files
modes          the identity modes with settings that succeed
api            everything a test can order or ask
control        `Cloud` (threads of this process), `CloudProcess` (its own process), `CloudClient` (one that runs)
pull           a registry client that verifies digests
talk           a plain client of the services, for tests of the cloud itself
core           starts the servers: imds, entra, sts, iam, registry (store or distribution), issuer, proxy, names
server         one listening address: TLS, log, round-trip time; faults says what strikes, bodies what errors say
=============  =====================================================================================================

By hand: ``tests/cloud/enter python -m tests.cloud serve --hand``.
"""
