package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/certstatus"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
)

// adminPath is where the simulation's own controls are mounted.
const adminPath = "/simulator"

// simulation holds the services that one process simulates.
type simulation struct {
	service *service.Service
	tsa     *tsa.Handler
	status  *certstatus.Responder
}

// newSimulation creates the keys, the certificates and the services. address is the URL of the
// process if no public URL is set.
func newSimulation(set *settings, address string) (*simulation, error) {
	base := strings.TrimSuffix(set.options.PublicURL, "/")
	if base == "" {
		base = address
	}
	seed, err := readSeed(set.keyFile)
	if err != nil {
		return nil, err
	}
	authority, err := service.NewSeededAuthority(base, seed)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	options := set.options
	options.Authority = authority
	sim := &simulation{}
	if sim.service, err = service.New(options); err != nil {
		return nil, fmt.Errorf("make service: %w", err)
	}
	for _, f := range set.faults {
		if err := sim.service.Misbehave(f); err != nil {
			return nil, err
		}
	}
	if sim.tsa, err = newTSA(authority); err != nil {
		return nil, fmt.Errorf("make timestamp authority: %w", err)
	}
	issuing, issuingKey := authority.Issuer()
	root, rootKey := authority.Root()
	sim.status, err = certstatus.New(
		certstatus.Options{
			Issuers: []certstatus.Issuer{{Certificate: issuing, Key: issuingKey}, {Certificate: root, Key: rootKey}},
		},
	)
	if err != nil {
		return nil, fmt.Errorf("make OCSP responder: %w", err)
	}
	return sim, nil
}

func newTSA(authority *service.Authority) (*tsa.Handler, error) {
	key, err := authority.Key("timestamp key")
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Issue("Timestamp Authority", key.Public(), tsa.Purpose)
	if err != nil {
		return nil, err
	}
	unfit, err := authority.Issue("No Timestamp Authority", key.Public(), nil)
	if err != nil {
		return nil, err
	}
	issuing, _ := authority.Issuer()
	return tsa.New(tsa.Options{Key: key, Certificate: certificate, Chain: []*x509.Certificate{issuing}, NoPurpose: unfit})
}

// handler serves each service at its path.
func (sim *simulation) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", sim.service)
	mux.Handle("/tsa", sim.tsa)
	mux.Handle("/ocsp", sim.status)
	mux.Handle("/ocsp/", sim.status)
	mux.Handle("/crl/", sim.status)
	mux.Handle(adminPath+"/", http.StripPrefix(adminPath, sim.service.Admin()))
	mux.HandleFunc("GET "+adminPath+"/surroundings", sim.serveSurroundings)
	mux.HandleFunc("POST "+adminPath+"/tsa", func(_ http.ResponseWriter, r *http.Request) {
		sim.tsa.MisbehaveAlways(tsa.Misbehaviour(r.URL.Query().Get("rudeness")))
	})
	mux.HandleFunc("POST "+adminPath+"/ocsp", func(_ http.ResponseWriter, r *http.Request) {
		sim.status.MisbehaveOCSP(certstatus.Misbehaviour(r.URL.Query().Get("rudeness")))
	})
	mux.HandleFunc("POST "+adminPath+"/crl", func(_ http.ResponseWriter, r *http.Request) {
		sim.status.MisbehaveCRL(certstatus.Misbehaviour(r.URL.Query().Get("rudeness")))
	})
	return mux
}

// serveSurroundings returns the numbers of requests to the services other than the signing service.
func (sim *simulation) serveSurroundings(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{
		"timestampRequests": sim.tsa.Requests(), "timestamps": sim.tsa.Issued(),
		"ocsp": sim.status.Requests("/ocsp"), "crl": sim.status.Requests("/crl"),
	})
}
