// Package e2e tests the product as its users run it: the chart in a real kind cluster, and the
// image with the command that the original product documents.
//
// `make test-e2e` runs everything; hack/e2e/test lists the requirements. The tests run outside of
// the cluster. They reach into it through a proxy, hack/e2e/door. Its NodePort is a loopback port.
//
// TestCluster follows the life of a release. TestAvailability disturbs its instances while a client
// sends Idempotency-Keys, and TestHotFolder while they sign the files of a shared folder and of a
// bucket. TestRelease builds a release, verifies it in a registry, and installs it from there.
package e2e
