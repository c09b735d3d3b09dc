package csc

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// chooseCredential returns the configured credential, or the only one that the service lists. With
// several it returns an error, because we must not guess whose seal goes on an invoice.
func (r *reader) chooseCredential(ctx context.Context, at *serviceInfo) (string, *failure) {
	if r.set.CredentialID != "" {
		return r.set.CredentialID, nil
	}
	ids, f := r.listCredentials(ctx, at)
	if f != nil {
		return "", f
	}
	switch len(ids) {
	case 0:
		return "", fail(signing.KindProviderAccount, "the signing service has no credential for us")
	case 1:
		return ids[0], nil
	}
	return "", fail(signing.KindConfiguration,
		"credentialID: is needed, because the signing service has %d credentials for us", len(ids)).
		Because(fmt.Errorf("they are %.500q", ids))
}

const (
	// maxPages bounds the pages of credentials/list, because a faulty service may return the same page
	// for ever.
	maxPages = 50
	// maxListed is the number of credentials after which we stop listing. It is enough to report that
	// the operator has to choose one.
	maxListed = 100
)

// listCredentials reads all pages of credentials/list (CSC v1 11.4).
func (r *reader) listCredentials(ctx context.Context, at *serviceInfo) (ids []string, f *failure) {
	request := listRequest{UserID: r.set.UserID}
	for range maxPages {
		var a listAnswer
		if _, f := r.client.authorized(ctx, at, methodList, request, &a); f != nil {
			return nil, f
		}
		if a.CredentialIDs == nil {
			return nil, unreadable(errors.New("answer of credentials/list has no credentialIDs"), false)
		}
		ids = append(ids, a.CredentialIDs...)
		if a.NextPageToken == "" || len(ids) >= maxListed {
			return ids, nil
		}
		request.PageToken = a.NextPageToken
	}
	return nil, unreadable(fmt.Errorf("credentials/list has more than %d pages", maxPages), false)
}

// credentialInfo calls credentials/info. If the service refuses the request, it calls again without
// certInfo, because some services do not implement it and the certificates contain the same facts.
func (r *reader) credentialInfo(ctx context.Context, at *serviceInfo, id string) (a credentialAnswer, f *failure) {
	request := credentialRequest{CredentialID: id, Certificates: "chain", CertInfo: true, AuthInfo: true}
	status, f := r.client.authorized(ctx, at, methodCredential, request, &a)
	if f == nil || f.Retry || !refusesRequest(status) {
		return a, f
	}
	r.log.V(1).Info("the service refused certInfo; the credential is read without it",
		"credential", r.name, "reason", f.Error.Error())
	a, request.CertInfo = credentialAnswer{}, false
	_, f = r.client.authorized(ctx, at, methodCredential, request, &a)
	return a, f
}

// refusesRequest reports whether a status may be about a field of the request rather than about the
// caller.
func refusesRequest(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return false
	}
	return status >= 400 && status < 500 || status == http.StatusNotImplemented
}
