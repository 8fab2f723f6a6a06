module github.com/entraledger/entraledger/tools/bicepgate

go 1.26.0

replace github.com/entraledger/entraledger => ../..

require (
	github.com/stretchr/testify v1.12.1
	github.com/tree-sitter-grammars/tree-sitter-bicep v1.1.0
	github.com/tree-sitter/go-tree-sitter v0.25.0
)

require (
	github.com/mattn/go-pointer v0.0.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
