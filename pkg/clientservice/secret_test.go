package clientservice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

// TestSecretIsNeverPrinted sends a secret through everything that prints values, on its own and
// deep inside others.
func TestSecretIsNeverPrinted(t *testing.T) {
	const value = "geheim"
	s := NewSecret(value)
	type outer struct {
		Exported   Secret
		unexported Secret
		deep       map[string]*ClientService
	}
	all := outer{s, s, map[string]*ClientService{"a": {ID: "a", Secret: s, PreviousSecret: s}}}
	services, err := NewServices(ClientService{ID: "a", Secret: s})
	if err != nil {
		t.Fatal(err)
	}
	_, mistake := NewServices(ClientService{ID: "a", Secret: NewSecret(value + "\n")})

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
		for _, v := range []any{s, &s, all, &all, services, *services, *services.Lookup("a"), mistake} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{s, &s, all, services.Lookup("a"), map[string]Secret{"a": s}} {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("slog", "secret", s, "pointer", &s, "client", services.Lookup("a"), "all", all)
		logr.FromSlogHandler(handler).Info("logr", "secret", s, "pointer", &s, "client", services.Lookup("a"), "all", all)
	}
	funcr.New(func(_, line string) { out.WriteString(line) }, funcr.Options{}).
		Info("funcr", "secret", s, "pointer", &s, "client", services.Lookup("a"), "all", all)

	for _, form := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprint([]byte(value))} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret is shown as %q in\n%s", form, out.String())
		}
	}
	if !strings.Contains(out.String(), hidden) {
		t.Errorf("nothing was printed in the secret's place:\n%s", out.String())
	}
}

func TestSecretMatches(t *testing.T) {
	both := &ClientService{Secret: NewSecret("new"), PreviousSecret: NewSecret("old")}
	one := &ClientService{Secret: NewSecret("new")}
	for _, test := range []struct {
		c     *ClientService
		given string
		want  bool
	}{
		{both, "new", true}, {both, "old", true}, {both, "newold", false}, {both, "", false}, {both, "NEW", false},
		{one, "new", true}, {one, "old", false}, {one, "", false},
		{&ClientService{}, "", false},
	} {
		if got := test.c.SecretMatches(test.given); got != test.want {
			t.Errorf("SecretMatches(%q) = %v, want %v", test.given, got, test.want)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	s, err := NewServices(ClientService{ID: "a", Secret: NewSecret("1")}, ClientService{ID: "b", Secret: NewSecret("2")})
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Authenticate("b", "2"); c == nil || c.ID != "b" {
		t.Errorf("Authenticate(b, 2) = %v, want b", c)
	}
	for _, test := range [][2]string{{"a", "2"}, {"a", ""}, {"", ""}, {"c", ""}, {"c", "1"}, {"A", "1"}} {
		if c := s.Authenticate(test[0], test[1]); c != nil {
			t.Errorf("Authenticate(%q, %q) = %v, want nil", test[0], test[1], c)
		}
	}
	if c := (&Services{}).Authenticate("", ""); c != nil {
		t.Errorf("Authenticate with no client services = %v, want nil", c)
	}
}

func TestNewServicesRefuses(t *testing.T) {
	_, err := NewServices(ClientService{ID: "a", Secret: NewSecret("1")}, ClientService{ID: "a", Secret: NewSecret("2")},
		ClientService{ID: "b"})
	want := "2 mistakes:\n  client service \"a\": occurs twice\n  client service \"b\": secret: is missing or empty"
	if err == nil || err.Error() != want {
		t.Errorf("NewServices = %v, want %s", err, want)
	}
}
