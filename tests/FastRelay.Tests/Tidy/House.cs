using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Tidy;

/// <summary>
/// The source of the product as the compiler sees it: every file under src in one compilation, so that a rule can ask
/// what a name means and not only how it is spelled.
/// </summary>
internal sealed class House
{
    /// <summary>The folder of FastRelay.sln.</summary>
    public static string Root { get; } = FindRoot();

    private static readonly Lazy<House> s_product = new(() => new House(
        Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path))
            .Where(path => !path.Split('/').Any(part => part is "bin" or "obj"))
            .Order(StringComparer.Ordinal)
            .Select(path => (path, File.ReadAllText(Path.Combine(Root, path))))));

    private const string Usings = """
        global using System; global using System.IO; global using System.Linq; global using System.Collections.Generic;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    private readonly CSharpCompilation _compilation;

    /// <summary>Reads the given files: path from the repository's root, text.</summary>
    public House(IEnumerable<(string Path, string Text)> files)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        Trees = [.. files.Select(file => (CSharpSyntaxTree)CSharpSyntaxTree.ParseText(file.Text, options, file.Path))];
        IEnumerable<MetadataReference> references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':')
            .Where(path => !Path.GetFileName(path).StartsWith("FastRelay", StringComparison.Ordinal))
            .Select(path => MetadataReference.CreateFromFile(path));
        _compilation = CSharpCompilation.Create("House", [CSharpSyntaxTree.ParseText(Usings, options), .. Trees], references,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable));
    }

    /// <summary>The files under src.</summary>
    public static House Product => s_product.Value;

    public IReadOnlyList<CSharpSyntaxTree> Trees { get; }

    /// <summary>
    /// The names of a file outside comments that are spelled like one of the given, with what they mean; names that mean
    /// nothing here are left out. Binding a name is the dear part, so only these are bound.
    /// </summary>
    public IEnumerable<(SimpleNameSyntax Name, ISymbol Symbol)> Names(SyntaxTree tree, IReadOnlySet<string> spelled)
    {
        SemanticModel? model = null;
        foreach (SimpleNameSyntax name in tree.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
        {
            if (!spelled.Contains(name.Identifier.Text))
            {
                continue;
            }

            model ??= _compilation.GetSemanticModel(tree, ignoreAccessibility: true);
            SymbolInfo info = model.GetSymbolInfo(name);
            if ((info.Symbol ?? info.CandidateSymbols.FirstOrDefault()) is { } symbol)
            {
                yield return (name, symbol);
            }
        }
    }

    /// <summary>Every <c>new()</c> of a file that leaves the type to its target, with the type.</summary>
    public IEnumerable<(SyntaxNode Node, ITypeSymbol Type)> UnnamedCreations(SyntaxTree tree)
    {
        SemanticModel? model = null;
        foreach (ImplicitObjectCreationExpressionSyntax node in tree.GetRoot().DescendantNodes().OfType<ImplicitObjectCreationExpressionSyntax>())
        {
            model ??= _compilation.GetSemanticModel(tree, ignoreAccessibility: true);
            if (model.GetTypeInfo(node).Type is { } type)
            {
                yield return (node, type);
            }
        }
    }

    /// <summary>path:line, as editors jump to it.</summary>
    public static string Place(SyntaxNode node)
        => $"{node.SyntaxTree.FilePath}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";

    /// <summary>Fails with every offence on a line of its own.</summary>
    public static void None(IEnumerable<string> offences, string rule)
    {
        string[] lines = [.. offences.Distinct()];
        Assert.True(lines.Length == 0, $"{rule}\n  {string.Join("\n  ", lines)}\n");
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "FastRelay.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("FastRelay.sln not found above the tests");
    }
}
