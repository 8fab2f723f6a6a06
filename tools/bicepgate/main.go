// Bicepgate checks the Bicep files of infra/: go run . (in tools/bicepgate), or with files to check others. It ends with 1 where
// something is wrong.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/entraledger/entraledger/tools/bicepgate/gate"
)

func main() {
	root := flag.String("root", "../..", "the repository, whose infra/ is checked where no files are named")
	flag.Parse()
	problems, checked, err := run(*root, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%d files of Bicep and parameters are right\n", checked)
}

func run(root string, files []string) (problems []gate.Problem, checked int, err error) {
	folder, err := gate.TypesFolder()
	if err != nil {
		return nil, 0, err
	}
	index, err := gate.OpenIndex(folder)
	if err != nil {
		return nil, 0, err
	}
	g := gate.New(index)
	defer g.Close()
	if len(files) > 0 {
		for _, path := range files {
			f, err := g.Check(path)
			if err != nil {
				return nil, 0, err
			}
			problems = append(problems, f.Problems...)
		}
		return problems, len(files), nil
	}
	return g.CheckTree(filepath.Join(root, "infra"))
}
