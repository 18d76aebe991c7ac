using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Tidy;

/// <summary>The table in <see cref="Layers"/>, kept.</summary>
public sealed class LayersTest
{
    [Fact]
    public void A_folder_uses_only_the_folders_below_it()
        => House.None(Offences(House.Product), "A folder may use only what Layers.cs lists for it:");

    [Fact]
    public void Every_file_lies_in_a_known_folder_and_its_namespace_says_so()
    {
        var offences = new List<string>();
        foreach (SyntaxTree tree in House.Product.Trees)
        {
            string? layer = Layers.Of(tree.FilePath);
            BaseNamespaceDeclarationSyntax? declared = tree.GetRoot().DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>().FirstOrDefault();
            if (layer is null)
            {
                offences.Add($"{tree.FilePath}: no line in Layers.cs for this folder");
            }
            else if (declared is not null && declared.Name.ToString() != Layers.Namespace(layer))
            {
                offences.Add($"{tree.FilePath}: namespace {declared.Name}, expected {Layers.Namespace(layer)}");
            }
        }

        House.None(offences, "Folders and namespaces:");
    }

    [Fact]
    public void A_use_that_the_table_forbids_is_found_however_it_is_written()
    {
        var house = new House(
        [
            ("src/FastRelay/Queue/Entry.cs", "namespace FastRelay.Queue; public sealed class Entry { public static int Size => 1; }"),
            ("src/FastRelay/Journal/A.cs", "using FastRelay.Queue; namespace FastRelay.Journal; class A { Entry? e; }"),
            ("src/FastRelay/Journal/B.cs", "namespace FastRelay.Journal; class B { int x = FastRelay.Queue.Entry.Size; }"),
            ("src/FastRelay/Journal/C.cs", "namespace FastRelay.Journal; class C { object x = new Queue.Entry(); }"),
            ("src/FastRelay/Deliver/D.cs", "using FastRelay.Queue; namespace FastRelay.Deliver; class D { Entry? e; }"),
        ]);

        string[] files = [.. Offences(house).Select(line => line.Split(':')[0]).Distinct()];

        Assert.Equal(["src/FastRelay/Journal/A.cs", "src/FastRelay/Journal/B.cs", "src/FastRelay/Journal/C.cs"], files);
    }

    [Fact]
    public void The_scan_sees_the_uses_that_are_known_to_be_there()
    {
        SyntaxTree relay = House.Product.Trees.Single(tree => tree.FilePath == "src/FastRelay/Relay.cs");

        string[] used = [.. House.Product.Names(relay, TypesOutside("Check", House.Product)).Select(name => LayerOf(name.Symbol)).OfType<string>().Distinct()];

        Assert.Contains("Journal", used);
        Assert.Contains("Queue", used);
        Assert.Contains("Deliver", used);
    }

    private static IEnumerable<string> Offences(House house)
    {
        foreach (SyntaxTree tree in house.Trees)
        {
            if (Layers.Of(tree.FilePath) is not { } layer)
            {
                continue;
            }

            foreach ((SimpleNameSyntax name, ISymbol symbol) in house.Names(tree, TypesOutside(layer, house)))
            {
                if (LayerOf(symbol) is { } used && !Layers.MayUse(layer, used))
                {
                    yield return $"{House.Place(name)}: {layer} uses {used} ({name})";
                }
            }
        }
    }

    // What a file uses it names somewhere, if only as the type of a field: the types of the layers that are out of reach
    // are the names to look at.
    private static HashSet<string> TypesOutside(string layer, House house)
        => [.. from tree in house.Trees
               where Layers.Of(tree.FilePath) is { } other && !Layers.MayUse(layer, other)
               from type in tree.GetRoot().DescendantNodes().OfType<MemberDeclarationSyntax>()
               select type switch
               {
                   BaseTypeDeclarationSyntax declared => declared.Identifier.Text,
                   DelegateDeclarationSyntax declared => declared.Identifier.Text,
                   _ => "",
               }];

    // The file that declares a symbol decides; a symbol of ours that no file declares (a namespace) belongs to nobody.
    private static string? LayerOf(ISymbol symbol)
        => symbol is INamespaceSymbol or ILocalSymbol or IParameterSymbol or ILabelSymbol or IRangeVariableSymbol
            ? null
            : symbol.OriginalDefinition.DeclaringSyntaxReferences.FirstOrDefault()?.SyntaxTree.FilePath is { Length: > 0 } path
                ? Layers.Of(path)
                : null;
}
