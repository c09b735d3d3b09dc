package affinity

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// peers knows the other instances: which of them holds an operation, and which of them must be
// asked. Safe for concurrent use.
type peers struct {
	source   Source
	ordinal  int    // of this instance
	name     string // of this instance
	outcomes *prometheus.CounterVec
	silences silences
}

// owner returns the instance that holds an operation. See Forwarder.Owner.
func (p *peers) owner(id signing.ID) (*Published, error) {
	ordinal := id.Ordinal()
	if ordinal == p.ordinal {
		return nil, nil
	}
	d, known := p.source.Directory()
	if !known {
		return nil, p.noDirectory()
	}
	if peer, ok := d.find(ordinal); ok {
		return &peer, nil
	}
	if ordinal < max(d.Ever, d.Expected) {
		return nil, p.missing(ordinal)
	}
	return nil, nil
}

// expected returns the other instances that must have answered before an operation counts as
// unknown. An instance whose address is not known has none in the result. The error has KindBusy if
// no directory was read yet.
func (p *peers) expected() (peers []Published, err error) {
	d, known := p.source.Directory()
	if !known {
		return nil, p.noDirectory()
	}
	for ordinal := range d.Expected {
		if ordinal == p.ordinal {
			continue
		}
		peer, ok := d.find(ordinal)
		if !ok {
			peer = Published{Name: p.nameOf(ordinal), Ordinal: ordinal}
		}
		peers = append(peers, peer)
	}
	// An instance that is being scaled down is not expected any more, but it may still answer.
	for _, peer := range d.Endpoints {
		if peer.Ordinal >= d.Expected && peer.Ordinal != p.ordinal {
			peers = append(peers, peer)
		}
	}
	return peers, nil
}

// noDirectory is the error while the other instances are not known yet.
func (p *peers) noDirectory() error {
	p.outcomes.WithLabelValues("silent").Inc()
	return signing.Errorf(signing.KindBusy, "the list of the other instances could not be read yet").
		Retryable(p.silences.noAnswer(unreadDirectory))
}

// missing is the error for an instance that must be asked and cannot be reached.
func (p *peers) missing(ordinal int) error {
	p.outcomes.WithLabelValues("silent").Inc()
	return signing.Errorf(signing.KindBusy, "instance %s does not answer", p.nameOf(ordinal)).
		Retryable(p.silences.noAnswer(ordinal))
}

// nameOf returns the name of the instance with that ordinal, even if its address is not known. The
// names of all instances differ only in the ordinal at the end.
func (p *peers) nameOf(ordinal int) string {
	d, _ := p.source.Directory()
	if peer, ok := d.find(ordinal); ok {
		return peer.Name
	}
	if prefix, own, ok := cutOrdinal(p.name); ok && own == p.ordinal {
		return fmt.Sprintf("%s%d", prefix, ordinal)
	}
	return fmt.Sprintf("with ordinal %d", ordinal)
}
