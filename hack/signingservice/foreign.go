package main

import (
	"errors"
	"flag"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// foreignFlags declares the flags for ways in which services in the field differ (service.Foreign).
func foreignFlags(fs *flag.FlagSet, f *service.Foreign) {
	fs.Func("auth-type", "`word` in authType of info; may be repeated; default oauth2client, and oauth2code in v1",
		func(v string) error {
			f.AuthTypes = append(f.AuthTypes, v)
			return nil
		})
	fs.Func("user", "`name=password` for auth/login and the grant password; may be repeated", func(v string) error {
		name, password, ok := strings.Cut(v, "=")
		if !ok || name == "" || password == "" {
			return errors.New("want name=password")
		}
		if f.Users == nil {
			f.Users = make(map[string]string)
		}
		f.Users[name] = password
		return nil
	})
	fs.StringVar(&f.Specs, "specs", "", "`version` that info names; default the API's own")
	fs.StringVar((*string)(&f.ClientAuth), "client-auth", "",
		"how OAuth2 clients send id and secret: empty = not encoded, decoded (RFC 6749 2.3.1) or form")
	fs.BoolVar(&f.OpenToAll, "open-to-all", false,
		"calls need no access token, as at services that identify clients by TLS certificates")
	fs.BoolVar(&f.NoCertInfo, "no-cert-info", false, "credentials/info with certInfo is answered with 501")
	fs.IntVar(&f.PageSize, "page-size", 0, "`credentials` in one page of credentials/list; 0 = all")
	fs.BoolVar(&f.OperationModeNeeded, "operation-mode-needed", false, "signHash of v2 needs operationMode")
}
