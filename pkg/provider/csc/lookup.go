package csc

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// chooseCredential returns the configured credential, or the only one there is: whose seal goes on
// an invoice is not ours to guess.
func (p *Provider) chooseCredential(ctx context.Context, at *place) (string, *failure) {
	if p.set.CredentialID != "" {
		return p.set.CredentialID, nil
	}
	ids, f := p.listCredentials(ctx, at)
	if f != nil {
		return "", f
	}
	switch len(ids) {
	case 0:
		return "", fail(signing.KindProviderAccount, "the signing service has no credential for us")
	case 1:
		return ids[0], nil
	}
	return "", fail(
		signing.KindConfiguration,
		"credentialID: is needed, since the signing service has %d credentials for us",
		len(ids),
	).Because(fmt.Errorf("they are %.500q", ids))
}

const (
	// maxPages bounds the pages of credentials/list: a service that gives the same page for ever is
	// not asked for ever.
	maxPages = 50
	// maxListed is how many credentials are enough to say that one has to be chosen.
	maxListed = 100
)

// listCredentials asks credentials/list for all pages (CSC v1 11.4).
func (p *Provider) listCredentials(ctx context.Context, at *place) (ids []string, f *failure) {
	r := listRequest{UserID: p.set.UserID}
	for range maxPages {
		var a listAnswer
		if _, f := p.authorized(ctx, at, methodList, r, &a); f != nil {
			return nil, f
		}
		if a.CredentialIDs == nil {
			return nil, unreadable(errors.New("answer of credentials/list has no credentialIDs"), false)
		}
		ids = append(ids, a.CredentialIDs...)
		if a.NextPageToken == "" || len(ids) >= maxListed {
			return ids, nil
		}
		r.PageToken = a.NextPageToken
	}
	return nil, unreadable(fmt.Errorf("credentials/list has more than %d pages", maxPages), false)
}

// credentialInfo asks credentials/info. Where the service refuses the request, it is asked again
// without certInfo: some services do not implement it, and the certificates say the same.
func (p *Provider) credentialInfo(ctx context.Context, at *place, id string) (a credentialAnswer, f *failure) {
	r := credentialRequest{CredentialID: id, Certificates: "chain", CertInfo: true, AuthInfo: true}
	status, f := p.authorized(ctx, at, methodCredential, r, &a)
	if f == nil || f.Retry || !refusesRequest(status) {
		return a, f
	}
	p.log.V(1).Info("credential is read without certInfo", "credential", p.name, "reason", f.Error.Error())
	a, r.CertInfo = credentialAnswer{}, false
	_, f = p.authorized(ctx, at, methodCredential, r, &a)
	return a, f
}

// refusesRequest reports whether a status may be about a field of the request, and not about who
// makes it.
func refusesRequest(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return false
	}
	return status >= 400 && status < 500 || status == http.StatusNotImplemented
}
