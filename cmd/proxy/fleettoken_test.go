package main_test

import (
	"net/http"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// TestSharedTokens checks that a token of one instance is valid at the other instances with the
// same key, also through a forward. An operation of another client service is not found at any
// instance.
func TestSharedTokens(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	alice, bob := f.bearer(t, 0, "PRT.1-PRT.2-alice"), f.bearer(t, 0, "PRT.1-PRT.2-bob")
	id := f.signed(t, 1, "hers")
	paths := []string{
		"operation/status/" + id,
		"operation/status/withExternalReference/hers",
		"operation/sign/detail/" + id + "/contentInResponse/True",
		"operation/sign/detail/withExternalReference/hers",
		"operation/sign/detail/" + id + "/documents",
	}
	for _, path := range paths {
		for i, how := range []string{"forwarded by the one that made the token", "at the holder", "forwarded"} {
			f.call(t, i, http.MethodGet, path, "", alice...).want(t, path+" with a token, "+how, http.StatusOK)
			f.call(t, i, http.MethodGet, path, "", bob...).want(t, path+" with another's token, "+how, http.StatusNotFound)
		}
	}
	for i := range f.proxies {
		f.call(t, i, http.MethodDelete, "operation/sign/detail/"+id, "", bob...).
			want(t, "another's DELETE", http.StatusNotFound)
	}
	f.call(t, 2, http.MethodDelete, "operation/sign/detail/"+id, "", alice...).want(t, "DELETE", http.StatusNoContent)
}

// TestKeyIsOfOneClient checks that the Idempotency-Key of one client service does not forward a
// request of another client service.
func TestKeyIsOfOneClient(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	const path = "document/sign/base64"
	f.call(t, 1, http.MethodPost, path, signBody(t, "hers"), "Idempotency-Key", "k").
		want(t, "first", http.StatusOK, `"SIGNED"`)
	bob := append(f.bearer(t, 0, "PRT.1-PRT.2-bob"), "Idempotency-Key", "k")
	his := f.call(t, 0, http.MethodPost, path, signBody(t, "his"), bob...)
	his.want(t, "another client's request with the same key", http.StatusOK, `"SIGNED"`, `"his"`)
	if his.header.Get("Idempotent-Replayed") != "" {
		t.Error("it was taken for a repetition")
	}
}
