// Package chart tests the Helm chart against the API server's own types, the rights that the
// controller declares, and the flags that the proxy knows. It contains only tests.
package chart
