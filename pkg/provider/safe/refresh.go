package safe

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var _ signing.Refresher = (*Provider)(nil)

// Refresh implements signing.Refresher.
func (p *Provider) Refresh(ctx context.Context) (*signing.Credential, error) {
	s, err := p.known.Renew(ctx)
	if err != nil {
		return nil, remotefault.Undescribed[hint]("SAFE", err).Error
	}
	return s.Credential, nil
}
