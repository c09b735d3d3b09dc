// Package credentials selects the credential that signs for each client service and watches its
// health.
//
// Three rules select the provider. The provider that the entry of the client service names comes
// first. The default provider comes second. Without a default provider, each client service has its
// own provider at the service domain.
//
// A Set probes each credential once at the start, so that a fault appears in the log, the metrics
// and the status page before the first document fails.
package credentials
