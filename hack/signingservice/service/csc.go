package service

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// cscDescription serves info, credentials/list and credentials/info.
type cscDescription struct {
	opts        *Options
	tokens      *tokens
	credentials credentials
}

func (d *cscDescription) routes(f *frontend) {
	f.handle("POST /csc/v1/info", "info", d.serveInfo1)
	f.handle("POST /csc/v2/info", "info", d.serveInfo2)
	f.handle("POST /csc/v1/credentials/list", "credentials/list", d.serveList)
	f.handle("POST /csc/v2/credentials/list", "credentials/list", d.serveList)
	f.handle("POST /csc/v1/credentials/info", "credentials/info", d.serveCredential1)
	f.handle("POST /csc/v2/credentials/info", "credentials/info", d.serveCredential2)
}

// public returns the URL with which the client of a request reached the service.
func (d *cscDescription) public(x *exchange) string {
	if d.opts.PublicURL != "" {
		return strings.TrimSuffix(d.opts.PublicURL, "/")
	}
	if x.TLS != nil {
		return "https://" + x.Host
	}
	return "http://" + x.Host
}

func (d *cscDescription) serveInfo1(x *exchange) answer {
	body := object{
		{"name", "SIMULATED remote service (no legal value)"},
		{"specs", cmp.Or(d.opts.Specs, "1.0.4.0")},
		{"region", "XX"},
		{"lang", "en-GB"},
		{"logo", "https://simulated.invalid/logo.png"},
		{"description", "A simulation"},
		{
			"methods",
			[]string{"signatures/signHash", "credentials/authorize", "credentials/info", "credentials/list", "oauth2/token"},
		},
	}
	// Some services put the whole path of the authorization endpoint here, against the standard.
	body = append(body, d.authTypes(d.public(x)+"/oauth2/authorize", "oauth2client", "oauth2code")...)
	return answer{status: http.StatusOK, body: body}
}

// authTypes returns the fields of info that say how clients authenticate.
func (d *cscDescription) authTypes(server string, usual ...string) object {
	if d.opts.AuthTypes != nil {
		usual = d.opts.AuthTypes
	}
	fields := object{{"authType", usual}}
	if slices.ContainsFunc(usual, func(t string) bool { return strings.HasPrefix(t, "oauth2") }) {
		fields = append(fields, field{"oauth2", server})
	}
	return fields
}

func (d *cscDescription) serveInfo2(x *exchange) answer {
	methods := []string{
		"credentials/list", "credentials/info", "credentials/authorize", "credentials/authorizeCheck", "signatures/signHash",
	}
	if d.opts.Asynchronous {
		methods = append(methods, "signatures/signPolling")
	}
	var algos []string
	for _, c := range d.credentials {
		algos = append(algos, c.identifiers()...)
	}
	slices.Sort(algos)
	return answer{status: http.StatusOK, body: append(d.authTypes(d.public(x), "oauth2client"), object{
		{"methods", methods}, {"signAlgorithms", object{{"algos", slices.Compact(algos)}}},
		{"specs", cmp.Or(d.opts.Specs, "2.0.0.2")},
		{"asynchronousOperationMode", d.opts.Asynchronous}, {"name", "SIMULATED remote service (no legal value)"},
		{"lang", "en"}, {"region", "XX"},
		{"logo", "https://simulated.invalid/logo.png"}, {"description", "A simulation"},
		{"signature_formats", object{{"formats", []string{"P"}}, {"envelope_properties", [][]string{{"Revision"}}}}},
		{"conformance_levels", []string{"Ades-B-B"}}, {"simulated", true},
	}...)}
}

func (d *cscDescription) serveList(x *exchange) answer {
	if _, refusal := d.tokens.bearer(x); refusal != nil {
		return *refusal
	}
	var ids []string
	for _, c := range d.credentials {
		ids = append(ids, c.ID)
	}
	if d.opts.PageSize > 0 {
		return d.page(x, ids)
	}
	return answer{status: http.StatusOK, body: object{{"credentialIDs", ids}}}
}

// page returns one page of a list (CSC v1 11.4). Every second page is empty, like at services that
// filter the list after they have split it into pages.
func (d *cscDescription) page(x *exchange, ids []string) answer {
	var req struct {
		PageToken string `json:"pageToken"`
	}
	_ = json.Unmarshal(x.body, &req)
	n := 0
	if req.PageToken != "" {
		var err error
		if n, err = strconv.Atoi(strings.TrimPrefix(req.PageToken, "page-")); err != nil || n < 1 {
			return refuse("invalid_request", "Invalid parameter pageToken")
		}
	}
	from := min(n/2*d.opts.PageSize, len(ids))
	to := min(from+d.opts.PageSize, len(ids))
	if n%2 == 0 {
		to = from
	}
	body := object{{"credentialIDs", slices.Concat([]string{}, ids[from:to])}}
	if n%2 == 0 || to < len(ids) {
		body = append(body, field{"nextPageToken", "page-" + strconv.Itoa(n+1)})
	}
	return answer{status: http.StatusOK, body: body}
}

func (d *cscDescription) readCredential(x *exchange) (*credential, string, *answer) {
	if _, refusal := d.tokens.bearer(x); refusal != nil {
		return nil, "", refusal
	}
	var req struct {
		CredentialID string `json:"credentialID"`
		Certificates string `json:"certificates"`
		CertInfo     bool   `json:"certInfo"`
	}
	if err := json.Unmarshal(x.body, &req); err != nil {
		a := refuse("invalid_request", "Malformed request")
		return nil, "", &a
	}
	if req.CertInfo && d.opts.NoCertInfo {
		return nil, "", &answer{
			status: http.StatusNotImplemented, header: map[string]string{"Content-Type": "text/plain"},
			body: raw("501: Not Implemented"),
		}
	}
	c := d.credentials.find(req.CredentialID)
	if c == nil {
		a := refuse("invalid_request", "Invalid parameter credentialID")
		return nil, "", &a
	}
	return c, req.Certificates, nil
}

func (c *credential) keyStatus() string {
	if c.Disabled {
		return "disabled"
	}
	return "enabled"
}

// certificates returns as many certificates as were requested. wrap breaks the base64 into lines,
// as some services do.
func (c *credential) certificates(which string, wrap bool) []string {
	chain := c.held.Load().chain
	switch which {
	case "none":
		return nil
	case "", "single":
		chain = chain[:1]
	}
	var out []string
	for _, cert := range chain {
		text := base64.StdEncoding.EncodeToString(cert.Raw)
		for at := 64; wrap && at < len(text); at += 66 {
			text = text[:at] + "\r\n" + text[at:]
		}
		out = append(out, text)
	}
	return out
}

func (d *cscDescription) serveCredential1(x *exchange) answer {
	c, which, refusal := d.readCredential(x)
	if refusal != nil {
		return *refusal
	}
	key := object{{"len", strconv.Itoa(c.bits())}, {"algo", c.identifiers()}, {"status", c.keyStatus()}}
	if curve := c.curve(); curve != "" {
		key = append(key, field{"curve", curve})
	}
	body := object{
		{"authMode", string(c.AuthMode)}, {"multisign", strconv.Itoa(c.Multisign)}, {"SCAL", strconv.Itoa(c.SCAL)},
		{"cert", object{{"certificates", c.certificates(which, true)}, {"status", "valid"}}}, {"key", key},
	}
	if c.AuthMode == Explicit {
		body = append(body,
			field{"PIN", object{{"presence", strconv.FormatBool(c.PIN != "")}, {"format", "N"}}},
			field{"OTP", object{{"presence", strconv.FormatBool(c.wantsOTP())}, {"type", "offline"}, {"format", "N"}}})
	}
	return answer{status: http.StatusOK, body: body}
}

func (d *cscDescription) serveCredential2(x *exchange) answer {
	c, which, refusal := d.readCredential(x)
	if refusal != nil {
		return *refusal
	}
	key := object{{"algo", c.identifiers()}, {"len", c.bits()}, {"status", c.keyStatus()}}
	if curve := c.curve(); curve != "" {
		key = append(key, field{"curve", curve})
	}
	auth := object{{"mode", "explicit"}}
	if c.AuthMode == OAuth2Code {
		auth = object{{"mode", "oauth2code"}}
	} else {
		objects := []object{}
		if c.wantsOTP() && c.AuthMode == Explicit {
			objects = append(objects,
				object{{"type", "Password"}, {"generator", "totp"}, {"id", otpObject}, {"label", "one-time password"}})
		}
		if c.PIN != "" && c.AuthMode == Explicit {
			objects = append(objects, object{{"id", pinObject}, {"type", "Password"}, {"format", "N"}, {"label", "secret"}})
		}
		auth = append(auth, field{"objects", objects})
	}
	body := object{
		{"multisign", c.Multisign}, {"auth", auth}, {"key", key},
		{"cert", object{{"certificates", c.certificates(which, false)}}}, {"lang", "en"},
	}
	if c.SCAL != 1 { // 1 is the default
		body = append(body, field{"SCAL", strconv.Itoa(c.SCAL)})
	}
	return answer{status: http.StatusOK, body: body}
}
