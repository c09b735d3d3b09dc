package main

import "testing"

// TestCallName: names of spans are few, and hold nothing of a client's.
func TestCallName(t *testing.T) {
	for path, want := range map[string]string{
		"/signstash/einvoice-integration-client-ws/api/v0/document/sign/base64///":                             "document/sign/base64",
		"/signstash/einvoice-integration-client-ws/api/v0/operation/status/withExternalReference/FT 2026/1":    "operation/status/withExternalReference",
		"/signstash/einvoice-integration-client-ws/api/v0/operation/sign/detail/4711/contentInResponse/True":   "operation/sign/detail/{id}/contentInResponse/True",
		"/signstash/einvoice-integration-client-ws/api/v0/operation/id/withDocumentExternalReference/invoices": "operation/id/withDocumentExternalReference",
		"/oauth2/authorization-server/oauth/token":                                                             "other",
		"/secrets/of/somebody": "other",
	} {
		if got := callName(path); got != want {
			t.Errorf("callName(%q) = %q, want %q", path, got, want)
		}
	}
}
