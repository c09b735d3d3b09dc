package api

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/request"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Kinds of faults that exist only in HTTP.
const (
	kindNoSuchCall signing.Kind = "no-such-call"       // no call has this path
	kindMethod     signing.Kind = "method-not-allowed" // the path has no call with this method
	// the token is valid, but its client service no longer exists
	kindUnknownClient signing.Kind = "unknown-client-service"
	// the request was meant for another instance
	kindMisdirected signing.Kind = "misdirected"
	kindGrant       signing.Kind = "grant-type" // the token endpoint does not support this grant type
)

// answer is how one kind of fault is reported to a client. This is the only place where the
// domain's kinds meet HTTP and the vendor's numbers.
type answer struct {
	status      int
	strict      int    // status with StrictVendorStatus; 0 = the same
	code        string // errorCode; empty = the vendor has none, so the HTTP status is used
	description string // errorCodeDescription
	oauth       string // RFC 6749 5.2 error of the token endpoint; empty = by status
}

// answers is the table of faults of a request. A kind without a row is answered as an internal
// fault.
//
// Codes 0.0.x, 1.1.0 and 2.2.1 are the vendor's. The codes from 2.2.2 on are this project's own,
// one for each kind of fault inside a document:
//
//	2.2.1  the visible signature cannot be drawn, or the place in the XML cannot be found
//	2.2.2  the content is not a document of the declared type
//	2.2.3  the document is damaged
//	2.2.4  the document is encrypted and needs a password
//	2.2.5  a certification, lock or permission forbids a signature, or it would break an earlier one
//	2.2.6  the document uses something that cannot be signed
//	2.2.7  the document is too complex
//	2.2.8  an earlier signature in the document is broken
var answers = map[signing.Kind]answer{
	signing.KindInternal:      {status: 500, code: "0.0.1", description: "Unhandled fault."},
	signing.KindMissing:       {status: 400, strict: 500, code: "0.0.2", description: "Mandatory attribute is missing."},
	signing.KindMalformed:     {status: 400, strict: 500, code: "0.0.2", description: "The request is malformed."},
	signing.KindInvalid:       {status: 400, strict: 500, code: "0.0.6", description: "Parameter is invalid."},
	signing.KindTooLarge:      {status: 413, strict: 500, code: "0.0.4", description: "A size limit was passed."},
	signing.KindReferenceUsed: {status: 409, code: "0.0.7", description: "External reference is already used."},
	signing.KindNotEnded:      {status: 409, description: "The operation has not ended."},
	signing.KindKeyReused: {
		status:      422,
		code:        "0.0.6",
		description: "Idempotency-Key is already used for another request.",
	},
	signing.KindUnauthenticated: {
		status:      401,
		code:        "0.0.10",
		description: "Credentials or token are missing, expired or invalid.",
		oauth:       "invalid_client",
	},
	kindUnknownClient: {
		status:      401,
		code:        "1.1.0",
		description: "Client service is unknown.",
		oauth:       "invalid_client",
	},
	signing.KindNotFound:  {status: 404, description: "Not found."},
	kindNoSuchCall:        {status: 404, description: "There is no such call."},
	KindNoHotFolder:       {status: 404, description: "There is no hot folder."},
	kindMethod:            {status: 405, description: "The method is not allowed here."},
	kindMisdirected:       {status: 421, description: "This is another instance."},
	request.KindMediaType: {status: 415, description: "The content type is not accepted here."},
	kindGrant: {
		status:      400,
		code:        "0.0.6",
		description: "Parameter is invalid.",
		oauth:       "unsupported_grant_type",
	},
	signing.KindTooMany: {status: 429, description: "Too many requests."},
	signing.KindBusy:    {status: 503, description: "The service is busy."},
	// Nobody reads this answer, unless the client closed only its sending half of the connection.
	signing.KindHungUp: {status: 400, strict: 500, code: "0.0.2", description: "The request ended early."},

	signing.KindVisible:     {status: 400, code: "2.2.1", description: "The signature cannot be placed as requested."},
	signing.KindNotDocument: {status: 400, code: "2.2.2", description: "The content is not a document of its type."},
	signing.KindDamaged:     {status: 400, code: "2.2.3", description: "The document is damaged."},
	signing.KindEncrypted:   {status: 400, code: "2.2.4", description: "The document is encrypted."},
	signing.KindForbidden:   {status: 400, code: "2.2.5", description: "The document forbids a signature."},
	signing.KindUnsupported: {status: 400, code: "2.2.6", description: "The document cannot be signed."},
	signing.KindTooComplex:  {status: 400, code: "2.2.7", description: "The document is too complex."},
	signing.KindBroken:      {status: 400, code: "2.2.8", description: "An earlier signature is broken."},
}

// documentFaults are the kinds of faults inside a document.
var documentFaults = []signing.Kind{
	signing.KindVisible, signing.KindNotDocument, signing.KindDamaged, signing.KindEncrypted,
	signing.KindForbidden, signing.KindUnsupported, signing.KindTooComplex, signing.KindBroken,
}

func isDocumentFault(k signing.Kind) bool { return slices.Contains(documentFaults, k) }

// signErrors maps the kind of a document's failure to its signError. All other kinds are
// SIGN_OPERATION_INTERNAL_ERROR. That includes the faults inside a document, because the vendor's
// list has no word for them; their signErrorCode is more precise. A document fails with KindInvalid
// if its options were right when the request was accepted and the settings have changed since, for
// example because an operator removed a profile.
var signErrors = map[signing.Kind]string{
	signing.KindInvalid:             "CONFIGURATION_SIGN_ERROR",
	signing.KindVisible:             "CONFIGURATION_SIGN_ERROR",
	signing.KindConfiguration:       "CONFIGURATION_SIGN_ERROR",
	signing.KindProviderCredentials: "INVALID_CERT_SERVICE_CREDS",
	signing.KindProviderAccount:     "INVALID_CERT_ACCESS_ACCOUNT",
	signing.KindProvider:            "CERT_SERVICE_GLOBAL_ERROR",
	signing.KindRevocation:          "CERT_SERVICE_GLOBAL_ERROR",
	signing.KindTimestamp:           "TIMESTAMP_SIGN_ERROR",
	signing.KindCertificate:         "INVALID_CERTIFICATE_SIGN_ERROR",
	signing.KindStorage:             "STORAGE_SERVICE_GLOBAL_ERROR",
	signing.KindAltered:             "STORAGE_SERVICE_GLOBAL_ERROR",
}

func signError(k signing.Kind) string {
	if s, ok := signErrors[k]; ok {
		return s
	}
	return "SIGN_OPERATION_INTERNAL_ERROR"
}

// statusHungUp is the status in logs and metrics for a client that went away. The number is
// nginx's. It is never sent.
const statusHungUp = 499

// answerFor returns the row of the table for e.
func answerFor(e *signing.Error, strict bool) answer {
	row, ok := answers[e.Kind]
	if !ok {
		row = answers[signing.KindInternal]
	}
	if strict && row.strict != 0 {
		row.status = row.strict
	}
	if row.code == "" {
		row.code = strconv.Itoa(row.status)
	}
	return row
}

// causeFor returns the part of e that a client may read. An internal fault shows no detail.
func causeFor(e *signing.Error) string {
	if _, known := answers[e.Kind]; !known || e.Kind == signing.KindInternal {
		return "The request could not be handled; the log of the service says why."
	}
	return e.Detail
}

// fail answers the request with an error. Nothing else writes errors. Nothing may have been written
// before.
func (x *exchange) fail(err error) {
	e := faultOf(x.r.Context(), err)
	x.broken(e)
	x.release() // other connections may have the place while a refused body is drained
	drain := e.Kind != signing.KindHungUp
	if x.client != nil && drain {
		x.body.drain()
	}
	row := answerFor(e, x.api.cfg.StrictVendorStatus)
	if row.status == http.StatusUnauthorized {
		challenge(x.w.Header(), x.route, x.bearer)
	}
	x.w.writeError(row, e.RetryAfter, errorText(x.route, e, row))
	if x.client == nil {
		_ = x.w.control.Flush() // not every ResponseWriter can
		forget(x.r)
		if drain {
			x.body.drain()
		}
	}
}

// forget releases the header fields of a request. It is called before the body of a client without
// valid credentials is drained, because many such clients can make the proxy drain bodies at the
// same time. The request target stays for the log and for traces; the limit of a head bounds it.
func forget(r *http.Request) { clear(r.Header) }

// writeError answers with an error. retry is when the client may send the request again; 0 = soon.
// It is sent only with a status that invites clients to do so.
func (w *response) writeError(row answer, retry time.Duration, text []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Disposition") // set for a file that is not sent now
	if row.status == http.StatusTooManyRequests || row.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter(retry))
	}
	h.Set("Content-Type", "application/json;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(row.status)
	_, _ = w.Write(text) // an error means that the client is gone
}

// errorText returns the body of an error of a route.
func errorText(route string, e *signing.Error, row answer) []byte {
	var text bytes.Buffer
	w := jsonstream.NewWriter(&text)
	w.Object(func() {
		if route == tokenRoute {
			w.Member("error", oauthError(row))
			w.Member("error_description", oauthDescription(causeFor(e)))
			return
		}
		w.Member("errorCode", row.code)
		w.Member("errorCodeDescription", row.description)
		w.Member("causeMessage", causeFor(e))
	})
	_ = w.Flush() // a buffer takes everything
	return text.Bytes()
}

// challenge sets WWW-Authenticate, which names the ways to authenticate at a route: RFC 9110
// 11.6.1, RFC 7617, RFC 6750 section 3. bearer says that the request had a bearer token.
func challenge(h http.Header, route string, bearer bool) {
	h.Del("WWW-Authenticate")
	if route != tokenRoute {
		scheme := `Bearer realm="signstash"`
		if bearer {
			scheme += `, error="invalid_token"`
		}
		h.Add("WWW-Authenticate", scheme)
	}
	h.Add("WWW-Authenticate", `Basic realm="signstash", charset="UTF-8"`)
}

// oauthError returns the error code of the token endpoint; RFC 6749 5.2.
func oauthError(row answer) string {
	switch {
	case row.oauth != "":
		return row.oauth
	case row.status == http.StatusTooManyRequests || row.status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case row.status == http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request"
}

// oauthDescription replaces the characters that RFC 6749 5.2 does not allow.
func oauthDescription(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '.'
		}
		return r
	}, s)
}

// retryAfter formats d in whole seconds, at least one; RFC 9110 10.2.3.
func retryAfter(d time.Duration) string {
	if d <= 0 {
		d = limits.RetryAfter
	}
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

// busy returns KindBusy for a request that the client may send again after a moment.
func busy(reason string) *signing.Error {
	return signing.Errorf(signing.KindBusy, "%s", reason).Retryable(limits.RetryAfter)
}
