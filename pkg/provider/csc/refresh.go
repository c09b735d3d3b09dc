package csc

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var _ signing.Refresher = (*Provider)(nil)

// Refresh implements signing.Refresher.
func (p *Provider) Refresh(ctx context.Context) (*signing.Credential, error) {
	s, err := p.known.Renew(ctx)
	if err == nil {
		return s.Credential, nil
	}
	var e *signing.Error
	if !errors.As(err, &e) {
		return nil, signing.Errorf(
			signing.KindProvider,
			"the signing service did not describe the credential in time",
		).Because(
			err,
		).Retryable(
			0,
		)
	}
	return nil, e
}
