// Package clientservice reads and writes client-services-config.json, the file that says who may
// call the proxy. It has the types, a strict codec, and a watcher that keeps the last good version
// in force.
//
// The file is a JSON object keyed by client service id:
//
//	{
//	  "PRT.505767457-PRT.123654123-84dd8c": {
//	    "secret": "…",
//	    "inputFolder": "/in", "backupFolder": "/backup", "outputFolder": "/out"
//	  }
//	}
//
// A client service can also have previousSecret (accepted in addition to secret, so that a secret
// can be rotated without a gap), provider (which credential signs for it), callbackUrl, and
// visibleSignatureInfo and signatureInfo (for files of the hot folder, with the fields of the API).
//
// The proxy reads the file (Watcher). A person or the Kubernetes controller writes it (Encode).
// Decode accepts whatever Encode returns.
package clientservice
