package fresh_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/fresh"
)

func TestGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var trouble error
		v := fresh.New(fresh.Config[int]{
			Ask:       func(context.Context) (int, error) { asked++; return asked, trouble },
			For:       time.Minute,
			StillGood: func(_ int, age time.Duration, err error) bool { return age < time.Hour },
			Pause:     10 * time.Second,
		})
		want := func(what string, value, calls int, wrong error) {
			t.Helper()
			got, err := v.Get(t.Context())
			if got != value || !errors.Is(err, wrong) || asked != calls {
				t.Errorf("%s: Get = %d, %v after %d questions; want %d, %v after %d", what, got, err, asked, value, wrong, calls)
			}
		}
		trouble = errors.New("trouble")
		want("nothing yet", 0, 1, trouble)
		trouble = nil
		want("first", 2, 2, nil)
		want("kept", 2, 2, nil)
		time.Sleep(time.Minute)
		want("renewed", 3, 3, nil)
		v.Forget()
		want("forgotten", 4, 4, nil)
		time.Sleep(time.Minute)
		trouble = errors.New("trouble")
		want("old one during trouble", 4, 5, nil)
		want("not asked again at once", 4, 5, nil)
		time.Sleep(10 * time.Second)
		want("asked after the pause", 4, 6, nil)
		time.Sleep(time.Hour)
		want("too old", 0, 7, trouble)
	})
}

// TestOneAtATime checks that one caller asks when many find no value, and that a caller whose
// context ends does not wait any longer.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		v := fresh.New(fresh.Config[int]{For: time.Minute, Ask: func(context.Context) (int, error) {
			asked++
			time.Sleep(time.Second) // fake clock
			return 7, nil
		}})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if got, err := v.Get(t.Context()); got != 7 || err != nil {
					t.Errorf("Get = %d, %v", got, err)
				}
			})
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := v.Get(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get of the impatient = %v, want the deadline's error", err)
		}
		all.Wait()
		if asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
	})
}

// TestFailureIsShared checks that callers that wait for one Ask share its error and do not ask one
// after the other. If the context of the asking caller ends, the next caller asks.
func TestFailureIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		trouble := errors.New("trouble")
		v := fresh.New(fresh.Config[int]{For: time.Minute, Ask: func(ctx context.Context) (int, error) {
			asked++
			select {
			case <-time.After(30 * time.Second): // fake clock
				return 0, trouble
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}})
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := v.Get(hurried); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Get in a hurry = %v", err)
			}
		})
		synctest.Wait()
		began := time.Now()
		for range 100 {
			all.Go(func() {
				if _, err := v.Get(t.Context()); err != trouble {
					t.Errorf("Get = %v, want %v", err, trouble)
				}
			})
		}
		all.Wait()
		if asked != 2 || time.Since(began) != 31*time.Second {
			t.Errorf("%d questions in %v, want 2 in 31s", asked, time.Since(began))
		}
		if _, err := v.Get(t.Context()); err != trouble || asked != 3 {
			t.Errorf("a later Get = %v after %d questions, want another one", err, asked)
		}
	})
}

// TestOldOneMeanwhile checks that the others use the stale value while one caller asks a service
// that hangs, unless the value is too old, was refused or was forgotten.
func TestOldOneMeanwhile(t *testing.T) {
	const hangs = 15 * time.Second
	trouble, refusal := errors.New("trouble"), errors.New("refusal")
	for name, test := range map[string]struct {
		age       time.Duration
		before    func(t *testing.T, v *fresh.Value[int], ask *error)
		otherWait time.Duration
	}{
		"due":     {age: time.Hour},
		"old":     {age: 23 * time.Hour},
		"too old": {age: 25 * time.Hour, otherWait: hangs},
		"forgotten": {
			before:    func(_ *testing.T, v *fresh.Value[int], _ *error) { v.Forget() },
			otherWait: hangs,
		},
		"used in trouble": {age: time.Hour, before: func(t *testing.T, v *fresh.Value[int], ask *error) {
			*ask = trouble
			if got, err := v.Get(t.Context()); got != 7 || err != nil {
				t.Errorf("Get in trouble = %d, %v, want the old value", got, err)
			}
			time.Sleep(time.Minute)
		}},
		"refused": {age: time.Hour, otherWait: hangs, before: func(t *testing.T, v *fresh.Value[int], ask *error) {
			*ask = refusal
			if _, err := v.Get(t.Context()); err != refusal {
				t.Errorf("Get = %v, want the refusal", err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ask, hang := error(nil), false
				v := fresh.New(fresh.Config[int]{
					For: time.Hour, Pause: 30 * time.Second,
					StillGood: func(_ int, age time.Duration, err error) bool { return age < 24*time.Hour && err != refusal },
					Ask: func(context.Context) (int, error) {
						if hang {
							time.Sleep(hangs) // fake clock
						}
						return 7, ask
					},
				})
				if _, err := v.Get(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(test.age)
				if test.before != nil {
					test.before(t, v, &ask)
				}
				ask, hang = nil, true
				var all sync.WaitGroup
				get := func(who string, get func(context.Context) (int, error), want time.Duration) {
					all.Go(func() {
						began := time.Now()
						if got, err := get(t.Context()); got != 7 || err != nil || time.Since(began) != want {
							t.Errorf("%s: Get = %d, %v after %v, want the value after %v", who, got, err, time.Since(began), want)
						}
					})
					synctest.Wait()
				}
				get("one who asks", v.Get, hangs)
				get("another", v.Get, test.otherWait)
				get("one who needs the newest", func(ctx context.Context) (int, error) { return v.Newest(ctx, false) }, hangs)
				all.Wait()
			})
		})
	}
}

// TestNewest checks that Newest asks if ask is true, and otherwise uses the fresh value.
func TestNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		v := fresh.New(
			fresh.Config[int]{For: time.Hour, Ask: func(context.Context) (int, error) { asked++; return asked, nil }},
		)
		for i, want := range []int{1, 1, 2} {
			if got, err := v.Newest(t.Context(), i == 2); got != want || err != nil {
				t.Errorf("Newest = %d, %v, want %d", got, err, want)
			}
		}
	})
}

// TestRenew checks that Renew asks even if a value is fresh, that it returns the error although a
// stale value may be used, and that concurrent callers share one Ask.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var trouble error
		v := fresh.New(fresh.Config[int]{
			For: time.Hour, Pause: time.Minute,
			StillGood: func(int, time.Duration, error) bool { return true },
			Ask: func(context.Context) (int, error) {
				asked++
				time.Sleep(time.Second) // fake clock
				return asked, trouble
			},
		})
		if got, err := v.Get(t.Context()); got != 1 || err != nil {
			t.Fatalf("Get = %d, %v, want 1", got, err)
		}
		if got, err := v.Renew(t.Context()); got != 2 || err != nil {
			t.Errorf("Renew = %d, %v, want 2", got, err)
		}
		trouble = errors.New("trouble")
		if _, err := v.Renew(t.Context()); err != trouble {
			t.Errorf("Renew = %v, want the trouble", err)
		}
		if got, err := v.Get(t.Context()); got != 2 || err != nil {
			t.Errorf("Get in trouble = %d, %v, want the old value", got, err)
		}
		trouble, asked = nil, 10
		go func() { _, _ = v.Renew(t.Context()) }()
		synctest.Wait() // it asks since before the others' call
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if got, err := v.Renew(t.Context()); got != 12 || err != nil {
					t.Errorf("Renew in a crowd = %d, %v, want 12", got, err)
				}
			})
		}
		all.Wait()
		if asked != 12 {
			t.Errorf("the crowd asked %d times, want once", asked-11)
		}
	})
}
