package affinity

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestAgeOfMessage accepts a token for as long as a message may be on its way between instances
// whose clocks differ, and not longer.
func TestAgeOfMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := [][]byte{[]byte("key")}
		began := time.Now()
		for age, want := range map[time.Duration]bool{
			-clockSkew - time.Second: false, -clockSkew: true, 0: true,
			messageLifetime + clockSkew: true, messageLifetime + clockSkew + time.Second: false,
		} {
			token := messageToken{ID: "id", Issued: began.Add(-age).Unix()}
			header, err := token.header(keys[0])
			if err != nil {
				t.Fatal(err)
			}
			if got, _, ok := openMessageToken(header, keys); ok != want || ok && got.ID != "id" {
				t.Errorf("token of age %v = %+v, %v, want %v", age, got, ok, want)
			}
		}
	})
}

// TestDamagedMessageToken refuses everything but a token that was signed with one of the keys.
func TestDamagedMessageToken(t *testing.T) {
	keys := [][]byte{[]byte("key"), []byte("previous")}
	token := messageToken{ID: "id", Issued: time.Now().Unix()}
	good, err := token.header(keys[1])
	if err != nil {
		t.Fatal(err)
	}
	if _, key, ok := openMessageToken(good, keys); !ok || string(key) != "previous" {
		t.Errorf("a token of the previous key is refused, or its key is %q", key)
	}
	for name, header := range map[string]string{
		"empty": "", "another scheme": "Bearer x.y", "no signature": good[:len(good)-44], "no text": messageScheme + ".x",
		"a shorter signature": good[:len(good)-4], "not base64": messageScheme + "!.!", "more": good + "A",
	} {
		if _, _, ok := openMessageToken(header, keys); ok {
			t.Errorf("%s: the token is accepted", name)
		}
	}
	if _, _, ok := openMessageToken(good, keys[:1]); ok {
		t.Error("a token of a key that is not valid any more is accepted")
	}
	if _, _, ok := openMessageToken(good, nil); ok {
		t.Error("a token is accepted without a key")
	}
}

// TestPreviousMessageKey forgets the previous key after some minutes.
func TestPreviousMessageKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sharing("one")
		k.Set([]byte("two"))
		k.Set([]byte("two"))
		time.Sleep(keyOverlap) // of the fake clock
		if got := k.valid(); len(got) != 2 || string(got[0]) != "two" || string(got[1]) != "one" {
			t.Errorf("keys = %q, want both", got)
		}
		time.Sleep(time.Second)
		if got := k.valid(); len(got) != 1 || string(got[0]) != "two" {
			t.Errorf("keys = %q, want the new one", got)
		}
	})
}
