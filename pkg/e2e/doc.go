// Package e2e tests the product as its users run it: the chart in a real kind cluster, and the
// image by the command that the original product documents.
//
// One command does it all, `make test-e2e`; hack/e2e/test says what it needs. The tests themselves
// stay outside of the cluster and reach into it through a proxy, hack/e2e/door, and through ports
// of loopback that lead to NodePorts.
package e2e
