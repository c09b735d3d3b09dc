package service

import (
	"encoding/json"
	"net/http"
	"time"
)

// Admin returns the handler of the simulation's controls, which is mounted apart from the service:
//
//	GET    /counts           Counts
//	POST   /faults           adds a Fault (JSON)
//	DELETE /faults           removes all faults
//	POST   /hold, /release   makes signHash wait, and continue
//	POST   /latency?of=100ms
//	POST   /revoke-tokens
//	POST   /renew-credentials  new keys and certificates under the same ids
//	GET    /root.pem         the simulated root certificate
//	GET    /safe-tokens      the SAFE account's tokens, as its holder would get them
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	do := func(f func()) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			f()
			w.WriteHeader(http.StatusNoContent)
		}
	}
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Counts()) })
	mux.HandleFunc("POST /faults", s.adminFault)
	mux.HandleFunc("DELETE /faults", do(s.Behave))
	mux.HandleFunc("POST /hold", do(s.Hold))
	mux.HandleFunc("POST /release", do(s.Release))
	mux.HandleFunc("POST /revoke-tokens", do(s.RevokeTokens))
	mux.HandleFunc("POST /renew-credentials", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.RenewCredentials(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /latency", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.Query().Get("of"))
		if err != nil {
			http.Error(w, "of is not a duration", http.StatusBadRequest)
			return
		}
		s.SetLatency(d)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /root.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(s.opts.Authority.RootPEM())
	})
	mux.HandleFunc("GET /safe-tokens", func(w http.ResponseWriter, _ *http.Request) {
		access, refresh := s.SAFETokens()
		writeJSON(w, http.StatusOK, object{{"accessToken", access}, {"refreshToken", refresh}})
	})
	return mux
}

func (s *Service) adminFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&f)
	if err == nil {
		err = s.Misbehave(f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
