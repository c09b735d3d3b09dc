package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// The life of a claim in the crash test. The version of a claim is its state.
const (
	claimWritten  = 1
	claimReplaced = 2
	claimReleased = 3 // there is no entry
)

// claimHelper changes claims until it is killed. It reports each change after the table has
// promised it.
func claimHelper() error {
	ctx := context.Background()
	after, err := strconv.Atoi(os.Getenv("STORE_TEST_AFTER"))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	cfg := store.Config{Folder: os.Getenv("STORE_TEST_FOLDER"), LockWait: 10 * time.Second}
	cfg.OnStep(func(step string) {
		mu.Lock()
		defer mu.Unlock()
		if step != os.Getenv("STORE_TEST_STEP") {
			return
		}
		if after--; after == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(os.Getenv("STORE_TEST_FIRST"))
	if err != nil {
		return err
	}
	failed := make(chan error, 3)
	c := s.Claims(0)
	for w := range 2 {
		go func() {
			for n := first + w; ; n += 2 {
				if err := claimOnce(ctx, c, n); err != nil {
					failed <- err
				}
			}
		}()
	}
	go func() { failed <- saveStates(ctx, c, first) }()
	return <-failed
}

// claimOnce takes a claim through its life.
func claimOnce(ctx context.Context, c *store.Claims, n int) error {
	for state := range claimReleased {
		next := claimed(n, uint64(state+1))
		if state+1 == claimReleased {
			next = nil
		}
		ok, err := c.Swap(ctx, claimed(n, 0).Key, uint64(state), next)
		if err != nil || !ok {
			return fmt.Errorf("swap = %v, %w", ok, errorOrNone(err))
		}
		fmt.Println("claim", n, state+1)
	}
	return nil
}

// importedClaim is the claim that is saved together with the state whose Clock is n.
func importedClaim(n int) keyhome.Claim {
	return keyhome.Claim{Key: keyhome.KeyOf("imported", fmt.Sprint(n)), Version: uint64(n)}
}

// saveStates saves states, each with a claim.
func saveStates(ctx context.Context, c *store.Claims, first int) error {
	for n := first; ; n++ {
		if _, err := c.Save(ctx, &keyhome.State{Clock: uint64(n)}, []keyhome.Claim{importedClaim(n)}); err != nil {
			return err
		}
		fmt.Println("state", n, 0)
	}
}

// TestKillDuringClaims kills a process that changes claims. What the table has promised is there
// afterwards, and a state and the claims that were saved with it are there both or neither.
func TestKillDuringClaims(t *testing.T) {
	folder := t.TempDir()
	for round, step := range []string{"commit", "committed", "mark: copied", "commit", "committed", "", ""} {
		first := (round + 1) * 1_000_000
		promised, state := killClaims(t, folder, step, first)
		s := open(t, store.Config{Folder: folder})
		c := s.Claims(0)
		for n, want := range promised {
			e, ok, err := c.Get(t.Context(), claimed(n, 0).Key)
			got := int(e.Version)
			if !ok && want >= claimReplaced {
				got = claimReleased
			}
			if err != nil || got != want && got != want+1 {
				t.Errorf("claim %d = %+v, %v, %v, promised was %d", n, e, ok, err, want)
			}
		}
		l, err := c.Load(t.Context())
		if err != nil || int(l.State.Clock) < state {
			t.Errorf("Load = %+v, %v, promised was %d", l, err, state)
		}
		for n, want := range map[int]bool{int(l.State.Clock): l.State.Clock > 0, int(l.State.Clock) + 1: false} {
			if _, ok, err := c.Get(t.Context(), importedClaim(n).Key); err != nil || ok != want {
				t.Errorf("claim of state %d = %v, %v, want %v", n, ok, err, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killClaims runs claimHelper until it is killed at a step, or after some promises. It returns the
// last promised state of each claim, and the last promised state of the key homes.
func killClaims(t *testing.T, folder, step string, first int) (promised map[int]int, state int) {
	t.Helper()
	after := strconv.Itoa(1 + rand.IntN(20))
	if step == "mark: copied" {
		after = "1"
	}
	cmd := helper(t, "claim", "STORE_TEST_FOLDER="+folder, "STORE_TEST_STEP="+step, "STORE_TEST_AFTER="+after,
		"STORE_TEST_FIRST="+strconv.Itoa(first))
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	promised = make(map[int]int)
	lines, last := 0, 5+rand.IntN(100)
	for in := bufio.NewScanner(out); in.Scan(); lines++ {
		var what string
		var n, reached int
		if _, err := fmt.Sscan(in.Text(), &what, &n, &reached); err != nil {
			continue // an incomplete line
		}
		if what == "state" {
			state = n
		} else {
			promised[n] = reached
		}
		if step == "" && lines == last || lines == 5000 {
			_ = cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("helper ended with %v, want it killed; it said: %s", err, trouble.String())
	}
	return promised, state
}
