package safe

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// pair is the access token and the refresh token of an account. It must never be logged.
type pair struct {
	Access  string `json:"accessToken"`
	Refresh string `json:"refreshToken"`
}

const (
	// savePause is the time between two attempts to write the account file.
	savePause = 10 * time.Second
	// renewalsPerSecond is the largest number of renewals in a second, whatever happens.
	renewalsPerSecond = 3
	// refusalKept is how long a refused refresh token is not sent again.
	refusalKept = time.Minute
)

// account keeps the tokens of one SAFE account. It is safe for concurrent use and makes one renewal
// at a time.
type account struct {
	file accountFile
	log  logr.Logger
	pace *pace.Pace
	busy chan struct{} // holds one value while a call reads, renews or writes the file

	mu      sync.Mutex
	now     stored
	loaded  bool
	unsaved bool      // now could not be written to the file
	again   time.Time // when unsaved: the time of the next attempt

	refused    [sha256.Size]byte // the refresh token that SAFE does not accept any more
	refusedTil time.Time
}

func newAccount(set Settings, log logr.Logger) *account {
	return &account{
		file: accountFile{set}, log: log,
		pace: pace.New(renewalsPerSecond, time.Second), busy: make(chan struct{}, 1),
	}
}

func (a *account) lock(ctx context.Context) *failure {
	select {
	case a.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fail(signing.KindProvider, "the tokens of the SAFE account were not available in time").
			Because(ctx.Err()).Retryable(0)
	}
}

func (a *account) unlock() { <-a.busy }

// access returns the access token.
func (a *account) access(ctx context.Context) (string, *failure) {
	a.mu.Lock()
	loaded, token := a.loaded && (!a.unsaved || time.Now().Before(a.again)), a.now.Pair.Access
	a.mu.Unlock()
	if loaded {
		return token, nil
	}
	if f := a.lock(ctx); f != nil {
		return "", f
	}
	defer a.unlock()
	release, f := a.file.lock(ctx)
	if f != nil {
		return "", f
	}
	defer release()
	if f := a.reload(); f != nil {
		return "", f
	}
	return a.current().Access, nil
}

func (a *account) current() pair {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now.Pair
}

// credential returns the id that rememberCredential stored, maybe in an earlier process.
func (a *account) credential() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now.CredentialID
}

// rememberCredential stores the account's credential with its tokens. If it fails, the next call
// tries again.
func (a *account) rememberCredential(ctx context.Context, id string) {
	if a.credential() == id || a.lock(ctx) != nil {
		return
	}
	defer a.unlock()
	release, f := a.file.lock(ctx)
	if f != nil {
		return
	}
	defer release()
	if a.reload() != nil { // another process may have renewed the tokens
		return
	}
	a.mu.Lock()
	a.now.CredentialID = id
	a.mu.Unlock()
	a.save()
}

// renew replaces the tokens after SAFE has refused an access token. update asks SAFE for new
// tokens. renew calls it under the locks and at most once. It does not call update if another call
// has renewed the tokens meanwhile, or if the tokens file holds new tokens.
func (a *account) renew(
	ctx context.Context, refused string, update func(context.Context, string) (pair, *failure),
) *failure {
	if f := a.lock(ctx); f != nil {
		return f
	}
	defer a.unlock()
	if a.current().Access != refused {
		return nil
	}
	release, f := a.file.lock(ctx)
	if f != nil {
		return f
	}
	defer release()
	if f := a.reload(); f != nil {
		return f
	}
	known := a.current()
	if known.Access != refused {
		return nil
	}
	if a.isRefused(known.Refresh) {
		return fail(signing.KindProviderCredentials,
			"the tokens of the SAFE account have expired; its owner has to consent again")
	}
	if err := a.pace.Wait(ctx); err != nil {
		return fail(signing.KindProvider, "the tokens of the SAFE account were not renewed in time").Because(err).Retryable(0)
	}
	// Continue even if the caller gives up, because SAFE may have issued new tokens already and then
	// refuses the old ones. update has its own time limit.
	next, f := update(context.WithoutCancel(ctx), known.Refresh)
	if f != nil {
		if f.Kind == signing.KindProviderCredentials {
			a.refuse(known.Refresh)
		}
		return f
	}
	a.mu.Lock()
	a.now.Pair = next
	a.mu.Unlock()
	a.save()
	return nil
}

func (a *account) isRefused(refresh string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused == sha256.Sum256([]byte(refresh)) && time.Now().Before(a.refusedTil)
}

func (a *account) refuse(refresh string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused, a.refusedTil = sha256.Sum256([]byte(refresh)), time.Now().Add(refusalKept)
}

// reload reads the account file and imports a new tokens file. The caller must hold the locks.
func (a *account) reload() *failure {
	a.mu.Lock()
	unsaved := a.unsaved
	a.mu.Unlock()
	if unsaved { // the tokens in memory are newer than the file
		a.save()
		return nil
	}
	kept, err := a.file.read()
	a.mu.Lock()
	held := a.loaded
	if err != nil && held { // lost, damaged or encrypted with another key: the tokens in memory replace it
		a.log.Info("could not read the account file; the tokens in memory stay in use",
			"file", a.file.set.AccountFile, "reason", err.Error())
		kept = a.now
	}
	a.mu.Unlock()
	if err != nil && !held && !errors.Is(err, fs.ErrNotExist) {
		return fail(signing.KindConfiguration, "accountFile: cannot be read").Because(err)
	}
	imported, f := a.file.importTokens(&kept)
	if f != nil {
		return f
	}
	if kept.Pair.Access == "" {
		return fail(signing.KindConfiguration, "tokensFile: is needed, because no tokens are stored for the SAFE account yet")
	}
	a.mu.Lock()
	a.now, a.loaded = kept, true
	a.mu.Unlock()
	if imported {
		a.log.Info("imported the tokens of the account from the tokens file", "file", a.file.set.TokensFile)
	}
	if imported || err != nil {
		a.save()
	}
	return nil
}

// save writes the account file. A disk failure must not stop signing. So if writing fails, the
// tokens in memory stay in use, and a later call tries to write them again.
func (a *account) save() {
	a.mu.Lock()
	kept := a.now
	a.mu.Unlock()
	err := a.file.write(kept)
	if err != nil {
		a.log.Error(err, "could not store the tokens of the account; "+
			"if this process ends now, the owner of the account has to consent again",
			"file", a.file.set.AccountFile)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unsaved, a.again = err != nil, time.Now().Add(savePause)
}
