package timestamp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

const (
	// maxReason is the largest size of one authority's reason in an answer or a log line, in
	// characters. RFC 3161 does not bound the text.
	maxReason = 250
	// maxReasons is the largest size of the reasons of all authorities together.
	maxReasons = 1000
)

// refusedError is the refusal of an authority.
type refusedError struct {
	reason    string        // may be shown to clients
	limited   bool          // the authority refused because of its rate limit
	permanent bool          // the authority will always refuse this request
	after     time.Duration // when the authority allows a retry; 0 = it did not say
}

func (e *refusedError) Error() string { return e.reason }

// reason explains, in words for clients, why an authority returned no usable token. It omits the
// causes of network errors, because they contain addresses inside the company.
func reason(err error) string {
	var lost *outbound.LostError
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "the request ended before the answer came"
	case errors.Is(err, outbound.ErrTooLarge):
		return "its answer is too large"
	case errors.As(err, &lost) && lost.Sent:
		return "its answer was lost"
	case errors.As(err, &lost):
		return "it could not be reached"
	}
	return printable.Text(err.Error(), maxReason)
}

// checkStatus checks the HTTP status. Any 2xx is a success. 400 counts as a rate limit, because at
// least one large authority uses it so, and a client that sends well-formed queries gets it for no
// other reason. No status is permanent. A refusal of our address or credentials, by the authority
// or by a proxy before it, ends once an operator corrects the fault, and paid signatures are
// waiting.
func checkStatus(answer *outbound.Answer) error {
	if answer.Status/100 == 2 {
		return nil
	}
	e := &refusedError{reason: fmt.Sprintf("HTTP status %d", answer.Status)}
	e.after = outbound.RetryAfter(answer.Header, time.Now())
	e.limited = answer.Status == http.StatusBadRequest || answer.Status == http.StatusTooManyRequests
	return e
}

// pkiFailure is a bit of PKIFailureInfo (RFC 3161 2.4.2).
type pkiFailure struct {
	bit       int
	name      string
	permanent bool // a retry cannot succeed
}

var pkiFailures = []pkiFailure{
	{0, "badAlg", true},
	{2, "badRequest", true},
	{5, "badDataFormat", true},
	{14, "timeNotAvailable", false},
	{15, "unacceptedPolicy", true},
	{16, "unacceptedExtension", true},
	{17, "addInfoNotAvailable", false},
	{25, "systemFailure", false},
}

// pkiStatuses are the values of PKIStatus (RFC 3161 2.4.2) that mean a refusal.
var pkiStatuses = map[int]string{2: "rejection", 3: "waiting", 4: "revocationWarning", 5: "revocationNotification"}

// parseResponse parses a TimeStampResp and returns its token. It does not check the structure of
// the token.
func parseResponse(body []byte) ([]byte, error) {
	der, size, _, err := ber.ToDER(body) // RFC 3161 requires DER, but some authorities send BER
	if err != nil || size != len(body) {
		return nil, errors.New("the answer is not a TimeStampResp")
	}
	in := cryptobyte.String(der)
	var response, status cryptobyte.String
	var code int
	if !in.ReadASN1(&response, cbasn1.SEQUENCE) || !in.Empty() || !response.ReadASN1(&status, cbasn1.SEQUENCE) ||
		!status.ReadASN1Integer(&code) {
		return nil, errors.New("the answer is not a TimeStampResp")
	}
	if code != 0 && code != 1 { // granted, grantedWithMods: the token shows what was modified
		return nil, refusedWith(code, status)
	}
	if response.Empty() {
		return nil, errors.New("the answer is granted but contains no token")
	}
	return response, nil
}

// refusedWith makes an error from a PKIStatus and the rest of PKIStatusInfo: free text and failure
// bits.
func refusedWith(code int, info cryptobyte.String) error {
	e := &refusedError{reason: cmp.Or(pkiStatuses[code], fmt.Sprintf("PKIStatus %d", code))}
	text := readFreeText(&info)
	var bits cryptobyte.String
	if info.PeekASN1Tag(cbasn1.BIT_STRING) && info.ReadASN1(&bits, cbasn1.BIT_STRING) && len(bits) > 1 {
		var names []string
		for _, f := range pkiFailures {
			if i := 1 + f.bit/8; i < len(bits) && bits[i]&(0x80>>(f.bit%8)) != 0 {
				names = append(names, f.name)
				e.permanent = e.permanent || f.permanent
			}
		}
		if len(names) > 0 {
			e.reason += " (" + strings.Join(names, ", ") + ")"
		}
	}
	if text != "" {
		e.reason += ": " + text
	}
	return e
}

// readFreeText reads PKIFreeText (RFC 4210 5.1.1), if it is present, and joins its strings.
func readFreeText(info *cryptobyte.String) string {
	var list cryptobyte.String
	if !info.PeekASN1Tag(cbasn1.SEQUENCE) || !info.ReadASN1(&list, cbasn1.SEQUENCE) {
		return ""
	}
	var texts []string
	for !list.Empty() {
		var text cryptobyte.String
		if !list.ReadAnyASN1(&text, new(cbasn1.Tag)) {
			break
		}
		texts = append(texts, string(text))
	}
	return printable.Text(strings.Join(texts, "; "), maxReason-50)
}
