package safe

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// stored is the content of the account file, before encryption.
type stored struct {
	Pair pair `json:"tokens"`
	// Imported is the SHA-256 of the tokens file that was imported last. That file is not imported
	// again, because its tokens are out of date by then.
	Imported []byte `json:"imported,omitempty"`
	// CredentialID is the id from credentials/list. A renewal needs it when the access token has
	// expired and the list cannot be read any more.
	CredentialID string `json:"credentialID,omitempty"`
}

// accountFile reads and writes the encrypted file that keeps the tokens of an account, and reads
// the tokens file that an operator provides.
type accountFile struct{ set Settings }

// lockWait is how long to wait for another process that renews the tokens of the same account. Its
// only call has a shorter time limit.
const lockWait = 40 * time.Second

// lock locks the account file against other processes.
func (f accountFile) lock(ctx context.Context) (release func(), _ *failure) {
	l, err := durable.AcquireLock(ctx, f.set.AccountFile+".lock", lockWait)
	if err != nil {
		return nil, fail(signing.KindConfiguration, "accountFile: cannot be locked").Because(err).Retryable(0)
	}
	return func() { _ = l.Release() }, nil
}

// importTokens imports the tokens file if it exists and differs from the one that was imported
// before.
func (f accountFile) importTokens(kept *stored) (bool, *failure) {
	if f.set.TokensFile == "" {
		return false, nil
	}
	text, err := secretfile.Read(f.set.TokensFile)
	if errors.Is(err, fs.ErrNotExist) && kept.Pair.Access != "" {
		return false, nil
	}
	if err != nil {
		return false, fail(signing.KindConfiguration, "tokensFile: cannot be read").Because(err)
	}
	sum := sha256.Sum256([]byte(text))
	if string(kept.Imported) == string(sum[:]) {
		return false, nil
	}
	var given struct {
		pair
		CredentialID string `json:"credentialID"`
	}
	if err := json.Unmarshal([]byte(text), &given); err != nil || given.Access == "" || given.Refresh == "" {
		return false, fail(signing.KindConfiguration, "tokensFile: is not JSON with accessToken and refreshToken")
	}
	kept.Pair, kept.Imported = given.pair, sum[:]
	if given.CredentialID != "" {
		kept.CredentialID = given.CredentialID
	}
	return true, nil
}

// sealedBy is the first line of the account file: the name and version of its format. It is
// authenticated together with the content.
const sealedBy = "signstash SAFE account 1\n"

// cipher derives the key of the account file.
func (f accountFile) cipher() (cipher.AEAD, error) {
	secret, err := secretfile.Read(f.set.AccountKeyFile)
	if err != nil {
		return nil, err
	}
	if len(secret) < 32 {
		return nil, errors.New("accountKeyFile has fewer than 32 characters")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, sealedBy, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (f accountFile) write(kept stored) error {
	seal, err := f.cipher()
	if err != nil {
		return err
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode tokens: %w", err)
	}
	return durable.WriteFile(f.set.AccountFile, seal.Seal([]byte(sealedBy), nil, text, []byte(sealedBy)), 0o600)
}

// maxAccountFile is the largest size of the account file. Two tokens take a few KB.
const maxAccountFile = 256 << 10

func (f accountFile) read() (kept stored, err error) {
	info, err := os.Stat(f.set.AccountFile)
	if err != nil {
		return kept, err
	}
	if info.Size() > maxAccountFile {
		return kept, errors.New("account file is too large")
	}
	data, err := os.ReadFile(f.set.AccountFile)
	if err != nil {
		return kept, err
	}
	if len(data) < len(sealedBy) || string(data[:len(sealedBy)]) != sealedBy {
		return kept, errors.New("account file has an unknown format, maybe that of a later release")
	}
	seal, err := f.cipher()
	if err != nil {
		return kept, err
	}
	text, err := seal.Open(nil, nil, data[len(sealedBy):], []byte(sealedBy))
	if err != nil {
		return kept, errors.New("account file was encrypted with another key, or is damaged")
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return kept, errors.New("account file contains no tokens") // the cause might quote them
	}
	return kept, nil
}
