package bucket_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/storagetest"
)

// azureFolders are folders in a container of Azure Blob Storage. Producers and consumers use the
// same client as the code under test.
type azureFolders struct {
	connection string // connection string
	prefix     string
}

// stores opens object storage with a credentials file.
func (f *azureFolders) stores(t *testing.T) *bucket.Stores {
	t.Helper()
	file := filepath.Join(t.TempDir(), "connection")
	if err := os.WriteFile(file, []byte(f.connection), 0o600); err != nil {
		t.Fatal(err)
	}
	stores, err := bucket.New(bucket.Config{Log: logr.Discard(), Settings: bucket.Settings{CredentialsFile: file}})
	if err != nil {
		t.Fatal(err)
	}
	stores.Hasty()
	return stores
}

// Open implements storagetest.Folders.
func (f *azureFolders) Open(t *testing.T, ordinal int) hotfolder.Storage { return f.folder(t, ordinal) }

// folder opens the folders of an instance.
func (f *azureFolders) folder(t *testing.T, ordinal int) *bucket.Folder {
	t.Helper()
	return openFolder(t, f.stores(t), "azblob://"+s3Bucket+"/"+f.prefix, ordinal)
}

// Put implements storagetest.Folders.
func (f *azureFolders) Put(t *testing.T, name, content string) {
	t.Helper()
	if err := f.stores(t).PutObject(t.Context(), bucket.Azure, s3Bucket, f.prefix+"in/"+name, content); err != nil {
		t.Fatal(err)
	}
}

// RemoveOutput implements storagetest.Folders.
func (f *azureFolders) RemoveOutput(t *testing.T, path string) {
	t.Helper()
	if err := f.stores(t).RemoveObject(t.Context(), bucket.Azure, s3Bucket, f.prefix+"out/"+path); err != nil {
		t.Fatal(err)
	}
}

func (f *azureFolders) objects(t *testing.T, folder string) map[string]string {
	t.Helper()
	all, err := f.stores(t).Objects(t.Context(), bucket.Azure, s3Bucket, f.prefix+folder)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for key, content := range all {
		if name := strings.TrimPrefix(key, f.prefix+folder); !strings.HasPrefix(name, ".signstash/") {
			found[name] = content
		}
	}
	return found
}

// Input, Output and Backup implement storagetest.Folders.
func (f *azureFolders) Input(t *testing.T) map[string]string { return f.objects(t, "in/") }

func (f *azureFolders) Output(t *testing.T) map[string]string { return f.objects(t, "out/") }

func (f *azureFolders) Backup(t *testing.T) map[string]string { return f.objects(t, "backup/") }

// Names implements storagetest.Folders.
func (f *azureFolders) Names() []string {
	return []string{"a b+c%20#?&=.pdf", "Überweisung.pdf", "quotes'\".xml", "no extension", "..pdf", "__0x2f__.pdf"}
}

// azuriteKey is the documented key of Azurite's only account.
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

// TestStorageOnFakeAzure runs the conformance suite against the fake in this process.
func TestStorageOnFakeAzure(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storagetest.Folders { return &azureFolders{startFakeAzure(t), "client one/"} })
}

// TestAzureKey reports a key that the store refuses, and a file that is no connection string.
func TestAzureKey(t *testing.T) {
	connection := strings.Replace(startFakeAzure(t), "AccountName=test", "AccountName=other", 1)
	wants(t, problem(t, (&azureFolders{connection, ""}).folder(t, 0)), "refuses the credentials", "AuthenticationFailed")
	places, err := bucket.ParsePlaces("azblob://invoices/in", "azblob://invoices/out", "azblob://invoices/backup")
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&azureFolders{"AccountName=test;AccountKey=?", ""}).stores(t).Folder(bucket.FolderConfig{Places: places})
	wants(t, fmt.Sprint(err), "AccountKey is not base64")
	_, err = (&azureFolders{"AccountName=test", ""}).stores(t).Folder(bucket.FolderConfig{Places: places})
	wants(t, fmt.Sprint(err), "neither AccountKey nor SharedAccessSignature")
}

// TestStorageOnServerAzurite runs the conformance suite against Azurite.
func TestStorageOnServerAzurite(t *testing.T) {
	port := strconv.Itoa(freePort(t))
	cmd := exec.Command(
		"node",
		server(t, "AZURITE"),
		"--blobHost",
		"127.0.0.1",
		"--blobPort",
		port,
		"--inMemoryPersistence",
		"--skipApiVersionCheck",
		"--disableTelemetry",
		"--silent",
	)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	start(t, number, cmd)
	connection := "AccountName=devstoreaccount1;AccountKey=" + azuriteKey +
		";BlobEndpoint=http://127.0.0.1:" + port + "/devstoreaccount1"
	first := &azureFolders{connection: connection}
	if err := first.stores(t).CreateContainer(t.Context(), s3Bucket); err != nil {
		t.Fatal(err)
	}
	storagetest.Run(t, func(t *testing.T) storagetest.Folders {
		return &azureFolders{connection, strings.ReplaceAll(t.Name(), "/", "-") + "/"}
	})
	t.Run("LargeFile", func(t *testing.T) { largeFile(t, &azureFolders{connection, "large/"}) })
}
