using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Tidy;

/// <summary>Names that hide what a thing is, and things that are not there for what their name says.</summary>
public sealed class NamesTest
{
    private static readonly string[] s_empty = ["Util", "Utils", "Utility", "Utilities", "Common", "Helper", "Helpers", "Manager", "Managers", "Misc", "Shared"];

    // One type whose parts stand in a file each, Type.Part.cs, with the reason.
    private static readonly Dictionary<string, string> s_parts = new()
    {
        ["FastRelay.Outside.Linux.Libc"] = "native calls by area: a part is found by the manual page's subject",
    };

    // Files that hold a family of small types under a name of its own, with the reason.
    private static readonly Dictionary<string, string> s_families = new()
    {
        ["src/FastRelay.Host/Admin/AdminModels.cs"] = "the JSON of the admin's HTTP, read side by side",
        ["src/FastRelay/Queue/Admin/QueueViews.cs"] = "what the queue shows of itself, three records of a few lines",
        ["src/FastRelay/Journal/Format/MessageRecord.cs"] = "the fixed parts of the records, in the order of docs/JOURNAL_FORMAT.md",
    };

    // Partial because a source generator writes the other part; no file writes a second one.
    [Fact]
    public void No_type_is_spread_over_files()
        => House.None(
            from tree in House.Product.Trees
            from type in Types(tree)
            where type is not EnumDeclarationSyntax
            group (tree, type) by FullName(type) into declared
            where declared.Select(one => one.tree.FilePath).Distinct().Count() > 1 && !s_parts.ContainsKey(declared.Key)
            select $"{declared.Key}: {string.Join(", ", declared.Select(one => one.tree.FilePath).Distinct())}",
            "Types in several files:");

    [Fact]
    public void No_folder_or_type_is_named_after_nothing()
        => House.None(
            (from tree in House.Product.Trees
             from part in Path.GetDirectoryName(tree.FilePath)!.Split('/')
             where s_empty.Contains(part)
             select $"{Path.GetDirectoryName(tree.FilePath)}")
            .Concat(
                from tree in House.Product.Trees
                from type in Types(tree)
                where s_empty.Any(word => type.Identifier.Text.EndsWith(word, StringComparison.Ordinal))
                select $"{House.Place(type)}: {type.Identifier.Text}"),
            "A name says what the thing does; these say nothing:");

    [Fact]
    public void A_file_holds_the_type_of_its_name()
        => House.None(
            from tree in House.Product.Trees
            let name = Path.GetFileName(tree.FilePath).Split('.')[0]
            where !s_families.ContainsKey(tree.FilePath) && name is not ("Program" or "AssemblyInfo") && !tree.GetRoot().DescendantNodes().OfType<MemberDeclarationSyntax>().Any(member => Named(member) == name)
            select tree.FilePath,
            "Files without the type of their name:");

    [Fact]
    public void An_interface_has_more_than_one_implementation()
    {
        SyntaxTree[] sources = [.. House.Product.Trees, .. TestTrees()];
        string[] bases = [.. sources.SelectMany(Types).SelectMany(Bases)];
        House.None(
            from tree in House.Product.Trees
            from type in tree.GetRoot().DescendantNodes().OfType<InterfaceDeclarationSyntax>()
            where bases.Count(name => name == type.Identifier.Text) < 2
            select $"{House.Place(type)}: {type.Identifier.Text}",
            "An interface with one implementation is that implementation:");
    }

    [Fact]
    public void Nothing_is_left_for_later_in_the_code()
    {
        string[] words = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "Not" + "ImplementedException"];
        House.None(
            from tree in House.Product.Trees.Concat(TestTrees())
            from line in tree.GetText().Lines
            let text = line.ToString()
            where words.Any(word => text.Contains(word, StringComparison.Ordinal))
            select $"{tree.FilePath}:{line.LineNumber + 1}: {text.Trim()}",
            "Do it now or open an issue:");
    }

    private static IEnumerable<SyntaxTree> TestTrees()
        => from path in Directory.EnumerateFiles(Path.Combine(House.Root, "tests"), "*.cs", SearchOption.AllDirectories)
           where !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal)
           select Microsoft.CodeAnalysis.CSharp.CSharpSyntaxTree.ParseText(File.ReadAllText(path), path: Path.GetRelativePath(House.Root, path));

    private static IEnumerable<BaseTypeDeclarationSyntax> Types(SyntaxTree tree) => tree.GetRoot().DescendantNodes().OfType<BaseTypeDeclarationSyntax>();

    private static IEnumerable<string> Bases(BaseTypeDeclarationSyntax type)
        => type.BaseList?.Types.Select(one => one.Type).OfType<SimpleNameSyntax>().Select(name => name.Identifier.Text) ?? [];

    private static string? Named(MemberDeclarationSyntax member) => member switch
    {
        BaseTypeDeclarationSyntax type => type.Identifier.Text,
        DelegateDeclarationSyntax type => type.Identifier.Text,
        _ => null,
    };

    private static string FullName(BaseTypeDeclarationSyntax type)
    {
        string arity = type is TypeDeclarationSyntax { TypeParameterList.Parameters.Count: > 0 and var count } ? $"`{count}" : "";
        return string.Join('.', type.Ancestors().Select(node => node switch
        {
            BaseTypeDeclarationSyntax outer => outer.Identifier.Text,
            BaseNamespaceDeclarationSyntax space => space.Name.ToString(),
            _ => null,
        }).OfType<string>().Reverse().Append(type.Identifier.Text)) + arity;
    }
}
