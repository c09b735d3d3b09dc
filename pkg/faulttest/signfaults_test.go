package faulttest

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Error codes of the vendor's API for faults of the remote side.
const (
	serviceFault     = "CERT_SERVICE_GLOBAL_ERROR"
	credentialsFault = "INVALID_CERT_SERVICE_CREDS"
	settingsFault    = "CONFIGURATION_SIGN_ERROR"
)

// signed is the outcome of an operation whose documents were all signed. More signatures may have
// been made than were delivered.
func signed(made, sent, unknown, refused int) outcome {
	return outcome{
		status:    "EXECUTED",
		documents: [3]string{"SIGNED", "SIGNED", "SIGNED"},
		made:      made,
		sent:      sent,
		returned:  3,
		unknown:   unknown,
		refused:   refused,
	}
}

// failed is the outcome of an operation of which no document was signed.
func failed(signError string, made, sent, unknown, refused int) outcome {
	d := "ERROR_SIGNING " + signError
	return outcome{
		status:    "EXECUTION_FAILED",
		documents: [3]string{d, d, d},
		made:      made,
		sent:      sent,
		unknown:   unknown,
		refused:   refused,
	}
}

// Outcomes of three documents in at most three attempts. The comment of each gives the reason.
var (
	atOnce = signed(3, 3, 0, 0) // signed as if there had been no fault

	// Outcomes of a passing fault.
	refusedOnce = signed(3, 6, 0, 3) // one call was refused, the next one signed
	unsureOnce  = signed(3, 6, 3, 0) // one call may have signed, but had not
	paidTwice   = signed(6, 6, 3, 0) // one call had signed, and its answer was lost

	// Outcomes of a permanent fault.
	refusedEach = failed(serviceFault, 0, 9, 0, 9) // each attempt is refused
	// refused for the rate: 1, 2, 4, ... 32 s apart within the first attempt, then once in each
	// attempt
	pacedEach = failed(serviceFault, 0, 27, 0, 27)
	// permanently refused, down to single documents: 3, 1+2, 1+1; no further attempt
	splitRefused = failed(serviceFault, 0, 8, 0, 8)
	// permanently refused, and not because of a document: neither split nor retried
	deniedUs     = failed(credentialsFault, 0, 3, 0, 3)
	renewedToken = failed(credentialsFault, 0, 9, 0, 9) // as deniedUs, after two more calls with new tokens
	// each attempt is refused, and so are two calls with new activation data in each attempt
	renewedSAD = failed(serviceFault, 0, 27, 0, 27)
	// the address seems to be wrong, before anything can be signed
	misled     = failed(settingsFault, 0, 3, 0, 3)
	noPlace    = failed(settingsFault, 0, 0, 0, 0) // the same, before anything was to be signed
	paidMisled = failed(settingsFault, 9, 9, 9, 0) // the same, after the signature
	unsureEach = failed(serviceFault, 0, 9, 9, 0)  // each attempt may have signed
	// each attempt has signed, and its answer was lost: --signing.unknown-outcome=retry
	paidEach   = failed(serviceFault, 9, 9, 9, 0)
	nonsense   = failed(serviceFault, 3, 3, 3, 0) // a complete but unusable answer; the signature is not requested again
	neverAsked = failed(serviceFault, 0, 0, 0, 0) // the credential could not be read, so nothing was sent
)

// row is a fault and its outcomes: each if the fault is permanent, once if it passes after one
// request. They are listed by variant in order. A single outcome applies to all variants.
type row struct {
	misbehaviour service.Misbehaviour
	each, once   []outcome
}

func all(o outcome) []outcome { return []outcome{o} }

// cscElse is one outcome for the three CSC variants and another one for SAFE.
func cscElse(csc, safe outcome) []outcome { return []outcome{csc, csc, csc, safe} }

// TestSignHashMatrix tests every fault of signHash, the call that costs money, with every provider.
//
// SAFE's values are fetched in a call after signHash, under a processId that was stored before. So
// a lost answer to signHash never loses a signature.
func TestSignHashMatrix(t *testing.T) {
	runMatrix(t, "signatures/signHash", []int{cscV1, cscV2, cscV2A, safeV2}, []row{
		{service.TooManyRequests, all(pacedEach), all(refusedOnce)},
		{service.TooManyRetryAfter, all(pacedEach), all(refusedOnce)},
		{service.ErrorBefore, all(unsureEach), all(unsureOnce)},
		{service.Unavailable, all(unsureEach), all(unsureOnce)},
		{service.Gateway, all(unsureEach), all(unsureOnce)},
		{service.CutBefore, all(unsureEach), all(unsureOnce)},
		{service.Refused, all(splitRefused), all(refusedOnce)},      // once: the halves are signed in the same attempt
		{service.ExpiredToken, all(renewedToken), all(refusedOnce)}, // each signHash request that is sent is counted
		{service.ExpiredSAD, cscElse(renewedSAD, refusedEach), all(refusedOnce)},
		{service.ErrorAfter, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.CutAfter, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.HalfAnswer, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.Stalled, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		// The answer is lost, as if a gateway had replaced it with a page.
		{service.NotJSON, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.Empty, cscElse(nonsense, atOnce), cscElse(nonsense, atOnce)},
		{service.Huge, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.TimedOutAfter, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.TooManyAfter, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.HungUpAfter, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.ServerErrorAfter, cscElse(paidEach, atOnce), cscElse(paidTwice, atOnce)},
		{service.NotFoundAfter, cscElse(paidMisled, atOnce), cscElse(paidTwice, atOnce)},
		{service.RedirectAfter, cscElse(paidMisled, atOnce), cscElse(paidTwice, atOnce)},
		{service.WrongOrder, all(nonsense), all(nonsense)},
		{service.TooFewValues, all(nonsense), all(nonsense)},
		{service.TooManyValues, all(nonsense), all(nonsense)},
		{service.WrongKey, all(nonsense), all(nonsense)},
		{service.RawECDSA, all(atOnce), all(atOnce)},
		{service.BadBase64, all(nonsense), all(nonsense)},
	})
}

// TestSignHashMatrixNeverTwice uses --signing.unknown-outcome=fail. No signature is requested
// twice, and the client is told if the outcome is unknown. A refused call is still retried, and an
// answer that can be fetched is fetched.
func TestSignHashMatrixNeverTwice(t *testing.T) {
	unsure := failed(serviceFault, 0, 3, 3, 0) // the calls did not sign
	lost, lostMisled := failed(serviceFault, 3, 3, 3, 0), failed(settingsFault, 3, 3, 3, 0)
	for i := range variants {
		variants := slices.Clone(variants)
		variants[i].unknown = signing.UnknownFail
		for _, r := range []row{
			{service.TooManyRequests, all(pacedEach), all(refusedOnce)},
			{service.ErrorBefore, all(unsure), all(unsure)},
			{service.Unavailable, all(unsure), all(unsure)},
			{service.Gateway, all(unsure), all(unsure)},
			{service.CutBefore, all(unsure), all(unsure)},
			{service.ErrorAfter, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.CutAfter, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.HalfAnswer, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.Stalled, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.NotJSON, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.Huge, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.TimedOutAfter, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.TooManyAfter, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.HungUpAfter, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.ServerErrorAfter, cscElse(lost, atOnce), cscElse(lost, atOnce)},
			{service.NotFoundAfter, cscElse(lostMisled, atOnce), cscElse(lostMisled, atOnce)},
			{service.RedirectAfter, cscElse(lostMisled, atOnce), cscElse(lostMisled, atOnce)},
			{service.BadBase64, all(nonsense), all(nonsense)},
		} {
			runRow(t, "signatures/signHash", variants, i, r)
		}
	}
}

// fetchRows are the outcomes of faults while values are fetched that were already made. A passing
// fault costs nothing. With a permanent fault the signatures are paid once, because each attempt
// asks for the same values again. New signatures are requested only if the service says that the
// values do not exist. SAFE and CSC behave alike.
func fetchRows() []row {
	lost := failed(serviceFault, 3, 3, 3, 0)
	lostKey, lostPlace := failed(credentialsFault, 3, 3, 3, 0), failed(settingsFault, 3, 3, 3, 0)
	return []row{
		{service.TooManyRequests, all(lost), all(atOnce)},
		{service.TooManyRetryAfter, all(lost), all(atOnce)},
		{service.ErrorBefore, all(lost), all(atOnce)},
		{service.Unavailable, all(lost), all(atOnce)},
		{service.Gateway, all(lost), all(atOnce)},
		{service.CutBefore, all(lost), all(atOnce)},
		{service.Refused, all(paidEach), all(atOnce)},
		{service.ExpiredToken, all(lostKey), all(atOnce)},
		{service.ExpiredSAD, all(atOnce), all(atOnce)},
		{service.ErrorAfter, all(lost), all(atOnce)},
		{service.CutAfter, all(lost), all(atOnce)},
		{service.HalfAnswer, all(lost), all(atOnce)},
		{service.Stalled, all(lost), all(atOnce)},
		{service.NotJSON, all(lost), all(atOnce)},
		{service.Empty, all(nonsense), all(atOnce)}, // asked for once more, then accepted as the answer
		{service.Huge, all(lost), all(atOnce)},
		{service.TimedOutAfter, all(lost), all(atOnce)},
		{service.TooManyAfter, all(lost), all(atOnce)},
		{service.HungUpAfter, all(lost), all(atOnce)},
		{service.ServerErrorAfter, all(lost), all(atOnce)},
		{service.NotFoundAfter, all(lostPlace), all(atOnce)},
		{service.RedirectAfter, all(lostPlace), all(atOnce)},
		{service.WrongOrder, all(atOnce), all(atOnce)}, // the values are made in another call
		{service.TooFewValues, all(atOnce), all(atOnce)},
		{service.TooManyValues, all(atOnce), all(atOnce)},
		{service.WrongKey, all(atOnce), all(atOnce)},
		{service.RawECDSA, all(atOnce), all(atOnce)},
		{service.BadBase64, all(atOnce), all(atOnce)},
	}
}

func TestSignPollingMatrix(t *testing.T) {
	runMatrix(t, "signatures/signPolling", []int{cscV2A}, fetchRows())
}

func TestSAFEVerifyMatrix(t *testing.T) {
	runMatrix(t, "signHash/verify", []int{safeV2}, fetchRows())
}

// TestAuthorizeMatrix tests faults of authorize. Before signHash no signature is spent and no
// outcome is unknown. SAFE answers authorize with a status only.
func TestAuthorizeMatrix(t *testing.T) {
	runMatrix(t, "credentials/authorize", []int{cscV1, cscV2, cscV2A, safeV2}, []row{
		{service.TooManyRequests, all(pacedEach), all(refusedOnce)},
		{service.TooManyRetryAfter, all(pacedEach), all(refusedOnce)},
		{service.ErrorBefore, all(refusedEach), all(refusedOnce)},
		{service.Unavailable, all(refusedEach), all(refusedOnce)},
		{service.Gateway, all(refusedEach), all(refusedOnce)},
		{service.CutBefore, all(refusedEach), all(refusedOnce)},
		{service.Refused, all(splitRefused), all(refusedOnce)},
		{service.ExpiredToken, all(deniedUs), all(atOnce)},
		{service.ExpiredSAD, all(atOnce), all(atOnce)},
		{service.ErrorAfter, all(refusedEach), all(refusedOnce)},
		{service.CutAfter, all(refusedEach), all(refusedOnce)},
		{service.HalfAnswer, all(refusedEach), all(refusedOnce)},
		{service.Stalled, all(refusedEach), all(refusedOnce)},
		{service.NotJSON, cscElse(refusedEach, refusedEach), cscElse(refusedOnce, refusedOnce)},
		{service.Empty, cscElse(refusedEach, atOnce), cscElse(refusedOnce, atOnce)},
		{service.Huge, all(refusedEach), all(refusedOnce)},
		{service.TimedOutAfter, all(refusedEach), all(refusedOnce)},
		{service.TooManyAfter, all(pacedEach), all(refusedOnce)},
		{service.HungUpAfter, all(refusedEach), all(refusedOnce)},
		{service.ServerErrorAfter, all(refusedEach), all(refusedOnce)},
		{service.NotFoundAfter, all(misled), all(misled)},
		{service.RedirectAfter, all(misled), all(misled)},
		{service.WrongOrder, all(atOnce), all(atOnce)},
		{service.TooFewValues, all(atOnce), all(atOnce)},
		{service.TooManyValues, all(atOnce), all(atOnce)},
		{service.WrongKey, all(atOnce), all(atOnce)},
		{service.RawECDSA, all(atOnce), all(atOnce)},
		{service.BadBase64, all(atOnce), all(atOnce)},
	})
}

// TestTokenMatrix checks that without an access token no document is prepared or sent.
func TestTokenMatrix(t *testing.T) {
	runMatrix(t, "token", []int{cscV1, cscV2}, readRows(atOnce))
}

// runMatrix runs every cell: one request while the remote side has the fault, and one after the
// fault.
func runMatrix(t *testing.T, endpoint string, at []int, rows []row) {
	t.Helper()
	wantRows(t, rows, func(r row) {
		for _, k := range at {
			runRow(t, endpoint, variants, k, r)
		}
	})
}

// wantRows runs every row and checks that no fault is missing.
func wantRows(t *testing.T, rows []row, run func(row)) {
	t.Helper()
	if len(rows) != len(service.Misbehaviours()) {
		t.Errorf("%d rows for %d misbehaviours", len(rows), len(service.Misbehaviours()))
	}
	for i, r := range rows {
		if r.misbehaviour != service.Misbehaviours()[i] {
			t.Errorf("row %d is of %s, want %s", i, r.misbehaviour, service.Misbehaviours()[i])
		}
		run(r)
	}
}

// runRow runs both cells of a row for variant k, and checks that a request succeeds once the remote
// side is healthy again.
func runRow(t *testing.T, endpoint string, variants []variant, k int, r row) {
	t.Helper()
	runRowThen(t, endpoint, variants, k, r, atOnce)
}

// runRowThen is runRow with the expected outcome of the request after the fault.
func runRowThen(t *testing.T, endpoint string, variants []variant, k int, r row, then outcome) {
	t.Helper()
	for _, c := range []struct {
		name  string
		times int
		wants []outcome
	}{{"each", 0, r.each}, {"once", 1, r.once}} {
		if testing.Short() && c.times > 0 {
			continue // half of the cells is enough if time matters, as with the race detector
		}
		want := c.wants[0]
		if len(c.wants) > 1 {
			want = c.wants[k]
		}
		t.Run(fmt.Sprintf("%s %s %s", variants[k].name, r.misbehaviour, c.name), func(t *testing.T) {
			t.Parallel()
			fault := service.Fault{Endpoint: endpoint, Misbehaviour: r.misbehaviour, Times: c.times}
			synctest.Test(t, func(t *testing.T) { runCell(t, variants[k], fault, want, then) })
		})
	}
}

func runCell(t *testing.T, v variant, fault service.Fault, want, then outcome) {
	p := openPipeline(t, v)
	defer p.close()
	if err := p.remote.Misbehave(fault); err != nil {
		t.Fatal(err)
	}
	p.wantRequest(t, "rude", want)
	p.remote.Behave()
	time.Sleep(5 * time.Minute) // fake clock; delayed retries are due now
	p.wantRequest(t, "polite", then)
	p.wantNothingLeft(t, 2)
}
