package affinity

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Headers of an answer to another instance. See Pass.
const (
	// ProofHeader proves which instance gave the answer.
	ProofHeader = "X-Signstash-Proof"
	// StateHeader is the identity of the instance's state folder, a space, and a proof of it.
	// Instances of earlier releases neither send nor read it.
	StateHeader = "X-Signstash-State"
)

// Request is a client's request to this instance, with what is needed to ask other instances.
type Request struct {
	*http.Request
	// Authorize returns the Pass for one question to one peer. The client's own Authorization is sent
	// to no peer unless Authorize returns it. An error of KindBusy says why no peer may be asked.
	Authorize func(Ask) (Pass, error)
	// Probe is the URI of a GET that finds out which instance can answer the request and changes
	// nothing.
	Probe string
	// Asked says that the peer has just answered a question about this request.
	Asked bool
}

// Ask is one question to one peer.
type Ask struct {
	Method string
	URL    *url.URL
	To     *Published
	// Proved says that this run of the peer has given a proof before. An instance of an earlier
	// release cannot give one.
	Proved bool
}

// Pass authorizes one question to a peer and checks the proof in its answer.
type Pass struct {
	Authorization string // value of the header
	// Proves reports whether proof, the ProofHeader of an answer with that status, can only come from
	// a peer that was asked exactly this question. If Proves is nil, answers need no proof.
	Proves func(status int, proof string) bool
	// ProvesState reports whether proof, from the StateHeader of the same answer, can only come from
	// that peer while it has the state folder of that identity.
	ProvesState func(state, proof string) bool
}

// proofs remembers which runs of peers have given a proof, and with which state folder. Safe for
// concurrent use.
type proofs struct {
	runs    sync.Map // by runOf: identity of the state folder, empty if it is not known
	folders *folders
}

// given reports whether the latest answer of this run of a peer at its address carried a proof.
func (p *proofs) given(to *Published) bool {
	_, ok := p.runs.Load(runOf(to))
	return ok
}

// runOf identifies one run of a peer at one address.
func runOf(to *Published) string { return to.Name + " " + to.Instance + " " + to.Internal }

var (
	errWrongProof = errors.New("its answer carries a wrong proof, so it does not hold the shared key")
	errNoProof    = errors.New("its answer carries no proof, but this run of the instance has given one before")
	errOtherState = errors.New("it has another state folder than before, so it does not know what it stored; " +
		"if its volume is lost, change the instance or the address of its entry in the peers file")
)

// check decides whether an answer is believed. An answer with a wrong proof is never believed.
// An answer without a proof is believed if this run has given none before, because instances of
// earlier releases give none and must be understood during an upgrade. If Published.Instance
// identifies the run, a run that has given a proof must give one in every later answer, because
// otherwise another program has taken over its address. If Published.Instance is empty, an earlier
// release may have come back, so its answer is believed.
//
// A proof is not enough if the peer has another state folder than before while its entry in the
// peers file is the same. It has a new volume then, or another instance has its address, and it
// does not know what the peer stored.
func (p *proofs) check(pass Pass, to *Published, resp *http.Response) error {
	if pass.Proves == nil || resp.StatusCode == http.StatusUnauthorized { // a 401 is not believed anyway
		return nil
	}
	proof := resp.Header.Get(ProofHeader)
	switch {
	case proof != "" && !pass.Proves(resp.StatusCode, proof):
		return errWrongProof
	case proof != "":
		return p.checkState(pass, to, resp.Header.Get(StateHeader))
	case to.Instance != "" && p.given(to):
		return errNoProof
	default:
		p.runs.Delete(runOf(to))
	}
	return nil
}

// checkState compares the state folder of a peer that has proved itself with that of its earlier
// answers. header is the StateHeader of the answer. It is empty if the peer is of an earlier
// release.
func (p *proofs) checkState(pass Pass, to *Published, header string) error {
	state, proof, _ := strings.Cut(header, " ")
	if header != "" && (pass.ProvesState == nil || !pass.ProvesState(state, proof)) {
		return errWrongProof
	}
	p.folders.note(to, state)
	run := runOf(to)
	if state != "" && p.runs.CompareAndSwap(run, "", state) {
		return nil
	}
	if before, given := p.runs.LoadOrStore(run, state); given && state != "" && before != state {
		return errOtherState
	}
	return nil
}

// Certified reports whether the certificate of a peer is proof enough. It is if the certificate
// chains to the authorities that the operator named for peers. The many authorities that the system
// trusts are not enough. It is not if peers may be called without TLS.
func (f *Forwarder) Certified() bool {
	return f.c.TLS != nil && !f.c.AllowPlaintext && f.c.Authorities != nil && f.c.Authorities() != nil
}
