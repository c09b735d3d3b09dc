package weburl

import (
	"strings"
	"testing"
)

// TestCheck checks which URLs settings may hold, and that an error does not repeat a password.
func TestCheck(t *testing.T) {
	for _, good := range []string{"http://a", "https://a.example.org:8443/path?x=y"} {
		if err := Check(good); err != nil {
			t.Errorf("Check(%q) = %v, want nil", good, err)
		}
	}
	for _, bad := range []string{"", "a.example.org", "ldap://a", "https://", "https://:443", "https://u:secret@a", "%"} {
		if err := Check(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Check(%q) = %v, want an error without the text", bad, err)
		}
	}
}
