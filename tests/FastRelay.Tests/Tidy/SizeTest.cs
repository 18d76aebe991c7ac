using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Tidy;

/// <summary>A file past 400 lines, a method past 70 or a folder past 12 files asks whether it has two jobs.</summary>
public sealed class SizeTest
{
    private const int FileLinesMax = 400;
    private const int MethodLinesMax = 70;
    private const int FolderFilesMax = 12;

    // What has one job and is long all the same: path, path:method or folder, with the reason.
    private static readonly Dictionary<string, string> s_allowed = [];

    [Fact]
    public void A_file_has_at_most_400_lines()
        => House.None(
            from tree in House.Product.Trees
            let lines = tree.GetText().Lines.Count
            where lines > FileLinesMax + 1 && !s_allowed.ContainsKey(tree.FilePath)
            select $"{tree.FilePath}: {lines - 1} lines",
            $"Files past {FileLinesMax} lines:");

    [Fact]
    public void A_method_has_at_most_70_lines()
        => House.None(
            from tree in House.Product.Trees
            from body in tree.GetRoot().DescendantNodes().Where(IsBody)
            let span = tree.GetLineSpan(body.Span)
            let lines = span.EndLinePosition.Line - span.StartLinePosition.Line + 1
            where lines > MethodLinesMax && !s_allowed.ContainsKey($"{tree.FilePath}:{Name(body)}")
            select $"{House.Place(body)}: {Name(body)}: {lines} lines",
            $"Methods past {MethodLinesMax} lines:");

    [Fact]
    public void A_folder_has_at_most_12_files()
        => House.None(
            from tree in House.Product.Trees
            group tree by Path.GetDirectoryName(tree.FilePath)! into folder
            where folder.Count() > FolderFilesMax && !s_allowed.ContainsKey(folder.Key)
            select $"{folder.Key}: {folder.Count()} files",
            $"Folders past {FolderFilesMax} files:");

    [Fact]
    public void Every_exception_still_needs_to_be_one()
        => House.None(
            s_allowed.Keys.Where(key => !File.Exists(Path.Combine(House.Root, key.Split(':')[0])) && !Directory.Exists(Path.Combine(House.Root, key))),
            "Exceptions for what is no longer there:");

    private static bool IsBody(SyntaxNode node) => node is BaseMethodDeclarationSyntax or LocalFunctionStatementSyntax or AccessorDeclarationSyntax;

    private static string Name(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax method => method.Identifier.Text,
        ConstructorDeclarationSyntax constructor => constructor.Identifier.Text,
        LocalFunctionStatementSyntax local => local.Identifier.Text,
        AccessorDeclarationSyntax accessor => accessor.Keyword.Text,
        _ => node.Kind().ToString(),
    };
}
