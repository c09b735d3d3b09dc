package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
)

// killer kills one of the proxies from time to time and restarts it.
func (s *soak) killer(every time.Duration) {
	for s.sleep(every) {
		for _, p := range s.proxies {
			if p.killed {
				p.current.Load().Kill()
				s.kills.Add(1)
				p.run(s.t.Context(), s)
			}
		}
	}
}

// sleep waits and reports whether the test continues.
func (s *soak) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done.Done():
		return false
	}
}

// soakEndpoints are the calls that get a fault. An empty text means all of them.
var soakEndpoints = []string{
	"token", "info", "credentials/list", "credentials/info", "credentials/authorize", "signatures/signHash", "",
}

// soakTimestampFaults are the faults of the timestamp authority.
var soakTimestampFaults = []tsa.Misbehaviour{
	tsa.SystemFail, tsa.BadRequest, tsa.TooMany, tsa.Unavailable, tsa.Empty, tsa.Garbage, tsa.Cut, tsa.WrongNonce,
	tsa.WrongValue, tsa.Stale,
}

func oneOf[T any](all []T) T { return all[rand.IntN(len(all))] }

// misbehave injects faults of every kind.
func (s *soak) misbehave() {
	for first := true; s.sleep(soakFault/2 + rand.N(soakFault)); first = false {
		kind := rand.IntN(8)
		if first {
			kind = 0 // a short test has at least one fault
		}
		switch kind {
		case 0, 1, 2:
			s.faulty.Add(1)
			_ = s.remote.Misbehave(service.Fault{
				Endpoint:     oneOf(soakEndpoints),
				Misbehaviour: oneOf(service.Misbehaviours()),
				Times:        1 + rand.IntN(3),
			})
		case 3:
			s.faulty.Add(1)
			s.remote.tsa.Misbehave(oneOf(soakTimestampFaults))
		case 4:
			s.remote.RevokeTokens()
		case 5:
			s.remote.SetLatency(rand.N(200 * time.Millisecond))
		case 6:
			for _, p := range s.proxies {
				s.fill(p.o.State, time.Second+rand.N(2*time.Second))
			}
		case 7:
			s.reloads.Add(1)
			s.reload()
		}
	}
	s.remote.Behave()
	s.remote.SetLatency(0)
}

// fill uses all free space of a small disk for a while, including space that becomes free
// meanwhile.
func (s *soak) fill(folder string, d time.Duration) {
	f, err := os.Create(filepath.Join(folder, "filler"))
	if err != nil {
		return // it is already full
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	if !fillDisk(f) {
		return
	}
	s.fills.Add(1)
	for end := time.Now().Add(d); time.Now().Before(end) && s.sleep(20*time.Millisecond); {
		fillDisk(f)
	}
}

// reload breaks the client file for a moment. Then it restores the file with a new secret in
// addition to the old one.
func (s *soak) reload() {
	for _, p := range s.proxies {
		_ = os.WriteFile(filepath.Join(p.o.Work, "client-services-config.json"), []byte(`{"half`), 0o600)
	}
	s.sleep(time.Second)
	all := map[string]map[string]string{}
	for id, secret := range clients {
		all[id] = map[string]string{"secret": secret, "previousSecret": fmt.Sprint("older ", rand.Int())}
	}
	content, _ := json.Marshal(all) // strings
	for _, p := range s.proxies {
		_ = os.WriteFile(filepath.Join(p.o.Work, "client-services-config.json"), content, 0o600)
	}
}
