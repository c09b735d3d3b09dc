package affinity

import (
	"errors"
	"net/http"
	"net/url"
)

// ProofHeader of an answer to another instance is the proof that a peer gave it; see Pass.
const ProofHeader = "X-Signstash-Proof"

// Request is what a client asks of this instance, and how other instances are asked for it.
type Request struct {
	*http.Request
	// Authorize returns what one question to one peer is sent with. The client's own Authorization
	// is sent to nobody unless Authorize returns it. An error of KindBusy says why nobody may be
	// asked.
	Authorize func(Ask) (Pass, error)
	// Probe is the URI of a GET that finds out who can answer the request, and does nothing else.
	Probe string
}

// Ask is one question to one peer.
type Ask struct {
	Method string
	URL    *url.URL
	To     *Published
	// Proved says that this run of the peer has proved itself before. One of an earlier release
	// cannot.
	Proved bool
}

// Pass is what a question is sent with.
type Pass struct {
	Authorization string // value of the header
	// Proves reports whether proof, the ProofHeader of an answer with that status, can only be of a
	// peer that was asked this very question. Nil = answers need no proof.
	Proves func(status int, proof string) bool
}

// proved reports whether this run of a peer has proved itself at its address, and has not stopped
// to do so since.
func (f *Forwarder) proved(to *Published) bool {
	_, ok := f.proofs.Load(runOf(to))
	return ok
}

// runOf names a run of a peer at an address.
func runOf(to *Published) string { return to.Name + " " + to.Instance + " " + to.Internal }

var (
	errWrongProof = errors.New("its answer carries a wrong proof: it does not hold the shared key")
	errNoProof    = errors.New("its answer carries no proof, but this run of the instance has given one before")
)

// checkProof decides whether an answer is believed. An answer with a wrong proof never is. An
// answer without a proof is believed of a run that has given none before, because instances of
// earlier releases give none and must be understood during an upgrade. Where runs are told apart, a
// run that has given a proof must go on to do so: otherwise its address is another's by now. Where
// they are not (Published.Instance is empty) an earlier release may have come back.
func (f *Forwarder) checkProof(pass Pass, to *Published, resp *http.Response) error {
	if pass.Proves == nil || resp.StatusCode == http.StatusUnauthorized { // nobody believes the latter
		return nil
	}
	proof := resp.Header.Get(ProofHeader)
	switch {
	case proof != "" && !pass.Proves(resp.StatusCode, proof):
		return errWrongProof
	case proof != "":
		f.proofs.Store(runOf(to), struct{}{})
	case to.Instance != "" && f.proved(to):
		return errNoProof
	default:
		f.proofs.Delete(runOf(to))
	}
	return nil
}

// Certified reports whether a peer proves itself by its certificate already: one that leads to the
// authorities that the operator has named for peers, and not just to one of the many that the
// system trusts.
func (f *Forwarder) Certified() bool {
	return f.c.TLS != nil && f.c.Authorities != nil && f.c.Authorities() != nil
}
