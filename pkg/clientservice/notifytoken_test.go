package clientservice

import "testing"

// TestAuthenticateNotifier accepts the tokens of both secrets, and no others. The expected token
// was made with: printf hotfolder/notify | openssl dgst -sha256 -hmac 'a long secret'
func TestAuthenticateNotifier(t *testing.T) {
	const token = "76d6b1e213af439815aa6d627ce38330b23c463b1fd475adef1d7e4951655125"
	s, err := NewServices(
		ClientService{ID: "new", Secret: NewSecret("another secret"), PreviousSecret: NewSecret("a long secret")},
		ClientService{ID: "old", Secret: NewSecret("a long secret")},
		ClientService{ID: "other", Secret: NewSecret("another secret")})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"new", "old"} {
		if c, shown := s.AuthenticateNotifier(id, token); c == nil || c.ID != id || !shown.Matches("a long secret") {
			t.Errorf("the token of %s is refused", id)
		}
	}
	for _, tt := range []struct{ id, token string }{
		{"other", token}, {"nobody", token}, {"old", ""}, {"old", "a long secret"}, {"old", token[1:]},
		{"nobody", notifyToken(Secret{})}, {"other", notifyToken(Secret{})},
	} {
		if c, _ := s.AuthenticateNotifier(tt.id, tt.token); c != nil {
			t.Errorf("token %q of %s is accepted", tt.token, tt.id)
		}
	}
}
