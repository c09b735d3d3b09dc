package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// settings are the values of the flags.
type settings struct {
	address  string
	anywhere bool
	rootFile string
	keyFile  string
	quiet    bool
	options  service.Options
	faults   []service.Fault
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{options: service.Options{ClientServices: map[string]string{}}}
	fs := flag.NewFlagSet("signingservice", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&s.address, "address", "127.0.0.1:8090", "`host:port` to listen on; port 0 = any free one")
	fs.BoolVar(&s.anywhere, "listen-anywhere", false,
		"allow an address that is not loopback, for a cluster; never use it in an office network")
	fs.StringVar(&s.rootFile, "root-file", "", "write the simulated root certificate to this `file` (PEM)")
	fs.StringVar(&s.keyFile, "key-file", defaultKeyFile(),
		"`file` from which all keys and certificates are derived; created if missing; empty = new ones at each start")
	fs.BoolVar(&s.quiet, "quiet", false, "do not log each request")
	fs.StringVar(&s.options.PublicURL, "public-url", "",
		"`URL` under which clients reach the service; default http:// and the Host of the request")
	fs.BoolVar(&s.options.Asynchronous, "asynchronous", false, "CSC v2 offers operationMode A with signPolling")
	fs.IntVar(&s.options.PendingPolls, "pending-polls", 0, "`polls` that answer \"not yet\"; 0 = 1, negative = none")
	fs.DurationVar(&s.options.TokenLifetime, "token-lifetime", 0, "lifetime of access tokens; 0 = 1 h")
	fs.DurationVar(&s.options.SADLifetime, "sad-lifetime", 0, "lifetime of signature activation data; 0 = 5 min")
	fs.DurationVar(&s.options.Latency, "latency", 0, "latency of each answer")
	fs.IntVar(&s.options.RatePerSecond, "rate", 0, "requests a second, above which 429 is answered; 0 = no limit")
	fs.Func("client",
		"`id=secret` of an OAuth2 client; may be repeated; default "+service.ClientID+"="+service.ClientSecret, s.addClient)
	fs.Func(
		"rude",
		"`endpoint:misbehaviour[:chance]`, such as signatures/signHash:cut-after:0.05; may be repeated; empty endpoint = all",
		s.addFault,
	)
	foreignFlags(fs, &s.options.Foreign)
	credential := service.Credential{}
	kinds := fs.String("credentials", "rsa", "comma-separated `kinds` of keys: rsa, rsaplain, pss, ecdsa, ecdsa384")
	fs.StringVar((*string)(&credential.AuthMode), "auth-mode", "explicit", "explicit, implicit or oauth2code")
	fs.StringVar(&credential.PIN, "pin", service.PIN, "PIN of the credentials; empty = none")
	fs.StringVar(&credential.OTP, "otp", "",
		"one-time password of the credentials, valid any number of times; empty = none")
	fs.IntVar(&credential.SCAL, "scal", 2, "sole control assurance level, 1 or 2")
	fs.IntVar(&credential.Multisign, "multisign", 100, "signatures in one authorisation")
	fs.BoolVar(&credential.RawECDSA, "raw-ecdsa", false, "ECDSA values are r‖s instead of DER")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if len(s.options.ClientServices) == 0 {
		s.options.ClientServices = nil
	}
	for kind := range strings.SplitSeq(*kinds, ",") {
		credential.Key = service.KeyKind(strings.TrimSpace(kind))
		s.options.Credentials = append(s.options.Credentials, credential)
	}
	return s, nil
}

func (s *settings) addClient(v string) error {
	id, secret, ok := strings.Cut(v, "=")
	if !ok || id == "" || secret == "" {
		return errors.New("want id=secret")
	}
	s.options.ClientServices[id] = secret
	return nil
}

func (s *settings) addFault(v string) error {
	parts := strings.Split(v, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return errors.New("want endpoint:misbehaviour[:chance]")
	}
	f := service.Fault{Endpoint: parts[0], Misbehaviour: service.Misbehaviour(parts[1])}
	if len(parts) == 3 {
		chance, err := strconv.ParseFloat(parts[2], 64)
		if err != nil || chance <= 0 || chance > 1 {
			return errors.New("chance is not above 0 and up to 1")
		}
		f.Chance = chance
	}
	s.faults = append(s.faults, f)
	return nil
}

// checkAddress refuses addresses that other machines can reach, because people there could take the
// simulation for a real service.
func (s *settings) checkAddress() error {
	host, _, err := net.SplitHostPort(s.address)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	ip := net.ParseIP(host)
	if s.anywhere || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not loopback; this is a simulation; "+
		"use --listen-anywhere if other machines must reach it", s.address)
}
