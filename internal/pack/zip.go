package pack

import (
	"archive/zip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// packed is a file of a zip: its name there, and where it is read from.
type packed struct {
	name, from string
	executable bool
}

// Zip packs a layout for deployment. The same layout gives the same bytes: names in order, one time
// stamp. The handler carries its execute bit, which nothing in Azure would repair.
func Zip(layout, file string) error {
	files, err := walk(layout, "", func(name string) (take, executable bool) { return true, name == Binary })
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return write(file, files)
}

// walk lists the files of a folder in lexical order, below another name.
func walk(folder, below string, choose func(name string) (take, executable bool)) (out []packed, err error) {
	err = filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if take, executable := choose(name); take {
			out = append(out, packed{name: path.Join(below, name), from: file, executable: executable})
		}
		return nil
	})
	return out, err
}

func write(file string, files []packed) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	z := zip.NewWriter(out)
	for _, f := range files {
		if err = add(z, f); err != nil {
			break
		}
	}
	if err = errors.Join(err, z.Close(), out.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", file, err), os.Remove(file))
	}
	return nil
}

func add(z *zip.Writer, f packed) error {
	header := &zip.FileHeader{
		Name: f.name, Method: zip.Deflate,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), // the earliest that a zip can hold
	}
	header.SetMode(0o644)
	if f.executable {
		header.SetMode(0o755)
	}
	data, err := os.ReadFile(f.from)
	if err != nil {
		return err
	}
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
