//go:build linux

package directory

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// maxArrivals bounds the arrivals that are remembered. A name that was forgotten needs the
// stability delay.
const maxArrivals = 20_000

// watch receives the events of an input folder through inotify.
type watch struct {
	file *os.File
	wake chan struct{} // one value at most
	done chan struct{} // closed when the reader has ended

	mu       sync.Mutex
	folder   inode // that is watched
	id       int   // of the watch of this folder
	arrivals map[string]hotfolder.Arrival
	moved    map[string]bool // our own renames into the folder, whose events are still to come
}

// newWatch starts to watch a folder.
func newWatch(d *dir) (*watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	id, err := addWatch(fd, d)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	folder, err := d.inode()
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	w := &watch{
		folder:   folder,
		id:       id,
		file:     os.NewFile(uintptr(fd), "inotify"),
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
		arrivals: make(map[string]hotfolder.Arrival),
		moved:    make(map[string]bool),
	}
	go w.run()
	return w, nil
}

// addWatch adds a folder to the folders that an inotify instance watches.
func addWatch(fd int, d *dir) (int, error) {
	const mask = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_CREATE | unix.IN_DELETE_SELF | unix.IN_ONLYDIR
	id, err := unix.InotifyAddWatch(fd, "/proc/self/fd/"+itoa(d.fd), mask)
	return id, os.NewSyscallError("inotify_add_watch", err)
}

// follow watches another folder if d is not the one that is watched, because a volume was mounted
// again. If that is not possible, the folder is listed as often as before, without hints.
func (w *watch) follow(d *dir) {
	if w == nil {
		return
	}
	folder, err := d.inode()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || folder == w.folder {
		return
	}
	conn, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		id, err := addWatch(int(fd), d)
		if err != nil {
			return
		}
		if id != w.id {
			_, _ = unix.InotifyRmWatch(int(fd), uint32(w.id)) // fails if the kernel has removed it
		}
		w.folder, w.id = folder, id
		clear(w.arrivals)
		clear(w.moved)
	})
}

func (w *watch) close() error {
	err := w.file.Close()
	<-w.done
	return err
}

// run reads events until the watch is closed.
func (w *watch) run() {
	defer close(w.done)
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buffer)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				w.forget()
				w.hint()
			}
			return
		}
		w.receive(buffer[:n])
		w.hint()
	}
}

func (w *watch) hint() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// receive reads the events in a buffer, inotify(7).
func (w *watch) receive(events []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		length := int(binary.NativeEndian.Uint32(events[12:]))
		events = events[unix.SizeofInotifyEvent:]
		name := strings.TrimRight(string(events[:length]), "\x00")
		events = events[length:]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0: // events are lost, so nothing is known of any file
			clear(w.arrivals)
			clear(w.moved)
		case mask&unix.IN_MOVED_TO != 0 && w.moved[name]:
			delete(w.moved, name)
		case mask&unix.IN_MOVED_TO != 0:
			w.note(name, hotfolder.ArrivalWhole)
		case mask&unix.IN_CLOSE_WRITE != 0:
			w.note(name, hotfolder.ArrivalClosed)
		case mask&unix.IN_CREATE != 0:
			delete(w.arrivals, name)
		}
	}
}

func (w *watch) note(name string, a hotfolder.Arrival) {
	if len(w.arrivals) >= maxArrivals {
		clear(w.arrivals)
	}
	w.arrivals[name] = a
}

func (w *watch) arrival(name string) hotfolder.Arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrivals[name]
}

// forget drops all arrivals.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.arrivals)
}

// claimed drops the arrival of a name that is not in the folder any more.
func (w *watch) claimed(name string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.arrivals, name)
}

// returning tells the watch that we rename a file back into the folder. It is not whole because of
// that.
func (w *watch) returning(name string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.moved) >= maxArrivals {
		clear(w.moved)
	}
	w.moved[name] = true
}
