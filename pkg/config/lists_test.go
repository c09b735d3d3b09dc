package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// keySettings are the settings of an invented kind of provider.
type keySettings struct {
	URL     string        `yaml:"url"`
	PINFile string        `yaml:"pinFile"`
	Wait    time.Duration `yaml:"wait"`
	Inner   `yaml:",inline"`
}

// Inner holds settings that several kinds share.
type Inner struct {
	MaxBatch int `yaml:"maxBatch"`
}

func (s *keySettings) Validate() error {
	if s.URL == "" {
		return errors.New("url: is needed")
	}
	return nil
}

// withFile returns an input with a YAML file and one kind of provider, key.
func withFile(t *testing.T, text string, args ...string) Input {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Input{
		Args:          append(args, "--config="+file),
		ProviderKinds: map[string]func() ProviderSettings{"key": func() ProviderSettings { return &keySettings{} }},
	}
}

func TestLists(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, withFile(t, `
providers:
- name: first
  kind: key
  url: https://a.example.org
  pinFile: `+secret+`
  wait: 90s
  maxBatch: 7
timestamp:
  timeout: 3s
  authorities:
  - url: https://tsa.example.org/x?y=1
    name: national
    user: u
    passwordFile: `+secret+`
    policy: 1.2.3
    budget: {requests: 20, window: 20m}
  - url: http://other.example.org
revocation.allow-private: 10.1.2.3/16, fd00::1
`))
	want := []Provider{
		{
			Name:     "first",
			Kind:     "key",
			Settings: &keySettings{URL: "https://a.example.org", PINFile: secret, Wait: 90 * time.Second, Inner: Inner{7}},
		},
	}
	if diff := cmp.Diff(want, c.Providers); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
	if c.DefaultProvider != "first" {
		t.Errorf("default provider = %q, want the only one", c.DefaultProvider)
	}
	authorities := []timestamp.AuthoritySettings{
		{
			Name:         "national",
			URL:          "https://tsa.example.org/x?y=1",
			User:         "u",
			PasswordFile: secret,
			Policy:       "1.2.3",
			Budget:       timestamp.Budget{Requests: 20, Window: 20 * time.Minute},
		},
		{URL: "http://other.example.org"},
	}
	wantTimestamp := timestamp.Settings{
		Timeout: 3 * time.Second, MaxSkew: 5 * time.Minute, Authorities: authorities,
	}
	if diff := cmp.Diff(wantTimestamp, c.Timestamp); diff != "" {
		t.Errorf("timestamp (-want +got):\n%s", diff)
	}
	wantRanges := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::1/128")}
	if diff := cmp.Diff(wantRanges, c.Revocation.AllowPrivate, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("allow-private (-want +got):\n%s", diff)
	}
}

func TestTimestampURLs(t *testing.T) {
	c := load(t, Input{Args: []string{"--timestamp.urls=https://a.example.org, http://b.example.org/tsa"}})
	want := []timestamp.AuthoritySettings{{URL: "https://a.example.org"}, {URL: "http://b.example.org/tsa"}}
	if diff := cmp.Diff(want, c.Timestamp.Authorities); diff != "" {
		t.Errorf("authorities (-want +got):\n%s", diff)
	}
}

func TestDefaultProvider(t *testing.T) {
	two := "providers:\n- {name: a, kind: key, url: x}\n- {name: b, kind: key, url: x}\n"
	for _, test := range []struct {
		name string
		in   Input
		want string
	}{
		{"named", withFile(t, two, "--defaultProvider=b"), "b"},
		{"domain", withFile(t, two, "--einvoice-integration-client.service.domain=https://x.example.org"), ""},
		{"domain and named",
			withFile(t, two, "--einvoice-integration-client.service.domain=https://x.example.org", "--defaultProvider=a"), "a"},
		{"none", Input{}, ""},
	} {
		if c := load(t, test.in); c.DefaultProvider != test.want {
			t.Errorf("%s: default provider = %q, want %q", test.name, c.DefaultProvider, test.want)
		}
	}
	wantMistakes(t, withFile(t, two), "--defaultProvider is needed: there are several providers (a, b)")
	wantMistakes(t, withFile(t, two, "--defaultProvider=c"), `--defaultProvider is "c", but the providers are a, b`)
	wantMistakes(t, Input{Args: []string{"--defaultProvider=c"}}, "the YAML file has no providers")
}

func TestInvalidLists(t *testing.T) {
	for _, test := range []struct {
		name, text string
		args       []string
		parts      []string
	}{
		{"providers that are no list", "providers: {name: a}\n", nil, []string{"providers: want a list"}},
		{"entries that are no mapping", "providers: [a]\n", nil, []string{"want entries of the form name: value"}},
		{"unknown kind", "providers: [{name: a, kind: cloud}]\n", nil, []string{`kind: "cloud" is not one of key`}},
		{"no name", "providers: [{kind: key, url: x}]\n", nil, []string{"name: want letters"}},
		{"a name twice", "providers: [{name: a, kind: key, url: x}, {name: a, kind: key, url: x}]\n",
			[]string{"--defaultProvider=a"}, []string{`provider "a": is there twice`}},
		{"all mistakes of an entry", "providers:\n- name: a\n  kind: key\n  uRl: x\n  maxBatch: many\n", nil,
			[]string{`:2: provider "a": unknown key "uRl"; there are url, pinFile, wait, maxBatch`,
				"cannot unmarshal", "url: is needed"}},
		{"a key twice", "providers:\n- {name: a, kind: key, url: x, url: y}\n", nil,
			[]string{"url is there twice", "url: is needed"}},
		{"a file that is not there", "providers: [{name: a, kind: key, url: x, pinFile: /nowhere/pin}]\n", nil,
			[]string{"pinFile: open /nowhere/pin"}},
		{"an authority",
			"timestamp: {authorities: [{url: 'ldap://x', user: u, policy: 1.2.x, budget: {requests: 5}}]}\n", nil,
			[]string{"url: want a URL", "user and passwordFile", "policy: want an object identifier",
				"budget: want requests and window"}},
		{"authorities twice", "timestamp: {authorities: [{url: 'https://x'}]}\n",
			[]string{"--timestamp.urls=https://y"}, []string{"exclude each other"}},
	} {
		t.Run(test.name, func(t *testing.T) { wantMistakes(t, withFile(t, test.text, test.args...), test.parts...) })
	}
}

func TestRemoteMistakes(t *testing.T) {
	for _, test := range []struct {
		args  []string
		parts []string
	}{
		{[]string{"--timestamp.urls=tsa.example.org"}, []string{"want a URL"}},
		{[]string{"--callback.hosts=example.org,*.example.net"}, []string{`"*.example.net" is not a host name`}},
		{[]string{"--revocation.hosts=https://example.org"}, []string{`"https://example.org" is not a host name`}},
		{[]string{"--revocation.allow-private=10.0.0.0/33"}, []string{"want address ranges"}},
		{[]string{"--remote.token.jwks-url=https://a/k", "--remote.token.introspection-url=https://a/i"},
			[]string{"exclude each other", "needs --remote.token.client-id", "needs --remote.token.client-secret-file"}},
		{[]string{"--remote.token.audience=us"}, []string{"--remote.token.audience needs"}},
		{[]string{"--outbound.ca-file=/nowhere/ca"}, []string{"--outbound.ca-file: open /nowhere/ca"}},
		{[]string{"--einvoice-integration-client.rest.provider.proxy.port=1"}, []string{"must be given together"}},
	} {
		wantMistakes(t, Input{Args: test.args}, test.parts...)
	}
}
