// Package directory is the hotfolder.Storage of local and shared folders (NFS, SMB, FUSE).
//
// It keeps its own files in a folder ".signstash" inside the input, the output and the backup
// folder:
//
//	input/.signstash/client                         the client service that used the folder last
//	input/.signstash/<owner>/alive                  its time says when the owner called Renew
//	input/.signstash/<owner>/<run>/claimed/<name>   a claim
//	input/.signstash/<owner>/<run>/<marker>/<name>  a claim whose delivery instance n has begun
//	input/.signstash/<owner>/<run>/output.<digest>  the path of the folder to which it is delivered
//	input/.signstash/<owner>/<run>/note.<key>       a note of the engine
//	output/.signstash/<run>/<n>-<index>-<digest>-<name>  a file that instance n has staged
//	backup/.signstash/<run>/<digest>                a copy to another file system, not complete
//
// A marker is "delivered.<n>.<digest>". Each step of a claim is one rename, which is atomic, so
// that two instances cannot both make it. A rename also tells an instance that it has lost a run:
// the path is not there any more. The number n in the marker selects whose staged files are shown,
// so it does not matter if the former owner of a run makes this step at the moment when the run is
// taken over. The digest selects the output folder, so it does not matter if the configuration
// changes after this step.
//
// It opens each folder through os.Root and uses only names of one component inside it. So it never
// follows a symbolic link inside the folders and cannot leave the work folder.
package directory
