using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Tidy;

/// <summary>What the documents list is what the code has.</summary>
public sealed partial class DocsTest
{
    [Fact]
    public void Every_limit_has_its_line_in_LIMITS()
    {
        string text = Read("docs/LIMITS.md");
        PropertyDeclarationSyntax[] limits = [.. House.Product.Trees.Single(tree => tree.FilePath == "src/FastRelay.Core/Limits.cs")
            .GetRoot().DescendantNodes().OfType<PropertyDeclarationSyntax>()];

        Assert.NotEmpty(limits);
        House.None(
            from limit in limits
            where limit.AccessorList is { } accessors && accessors.Accessors.Any(accessor => accessor.Keyword.Text is "init" or "set")
            let name = Snake().Replace(Unit().Replace(limit.Identifier.Text, ""), "_$1").ToLowerInvariant()
            where !text.Contains($"`{name}`", StringComparison.Ordinal) && !text.Contains($"`{limit.Identifier.Text}`", StringComparison.Ordinal)
            select $"{limit.Identifier.Text} ({name})",
            "Limits that docs/LIMITS.md does not name:");
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("CONTRIBUTING.md")]
    public void Every_make_target_that_a_document_names_exists(string document)
    {
        string[] targets = [.. Target().Matches(Read("Makefile")).Select(match => match.Groups[1].Value)];
        string[] named = [.. MakeCommand().Matches(Read(document)).Select(match => match.Groups[1].Value).Distinct()];

        Assert.NotEmpty(named);
        House.None(named.Except(targets), $"{document} names targets that the Makefile does not have:");
    }

    [Fact]
    public void Every_command_of_the_binary_is_in_the_README()
    {
        string text = Read("README.md");
        string[] commands = [.. from tree in House.Product.Trees
                                where tree.FilePath.StartsWith("src/FastRelay.Host/Commands/", StringComparison.Ordinal)
                                from creation in tree.GetRoot().DescendantNodes().OfType<ObjectCreationExpressionSyntax>()
                                where creation.Type.ToString().EndsWith("Command", StringComparison.Ordinal) && creation.ArgumentList?.Arguments is [{ Expression: LiteralExpressionSyntax }, ..]
                                select ((LiteralExpressionSyntax)creation.ArgumentList!.Arguments[0].Expression).Token.ValueText];

        Assert.NotEmpty(commands);
        House.None(commands.Where(command => !Regex.IsMatch(text, $@"\b{Regex.Escape(command)}\b")), "Commands that README.md does not name:");
    }

    [Fact]
    public void Every_link_between_documents_leads_somewhere()
    {
        string[] documents = [.. Directory.EnumerateFiles(House.Root, "*.md"), .. Directory.EnumerateFiles(Path.Combine(House.Root, "docs"), "*.md", SearchOption.AllDirectories)];
        House.None(
            from document in documents
            from link in Link().Matches(File.ReadAllText(document)).Select(match => match.Groups[1].Value)
            let target = Path.Combine(Path.GetDirectoryName(document)!, link)
            where !File.Exists(target) && !Directory.Exists(target)
            select $"{Path.GetRelativePath(House.Root, document)}: {link}",
            "Links to nothing:");
    }

    [Fact]
    public void Every_file_and_test_of_the_RFC_map_exists()
    {
        string[] rows = [.. Read("docs/RFC_MAP.md").Split('\n').Where(line => line.StartsWith("| RFC", StringComparison.Ordinal))];
        ILookup<string, string> tests = Directory.EnumerateFiles(Path.Combine(House.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(path => Path.GetFileNameWithoutExtension(path), File.ReadAllText);

        Assert.NotEmpty(rows);
        House.None(
            from row in rows
            let cells = row.Split('|')
            where cells.Length != 6 || !FilesExist(cells[3]) || !TestsExist(cells[4], tests)
            select row,
            "Rows of docs/RFC_MAP.md whose file or test does not exist:");
    }

    [Fact]
    public void Every_key_of_the_configuration_is_in_OPERATIONS()
    {
        string page = Read("docs/OPERATIONS.md");
        page = page[page.IndexOf("## Configuration", StringComparison.Ordinal)..page.IndexOf("## Changing it", StringComparison.Ordinal)];
        string[] readers = ["Text", "List", "Boolean", "Integer", "Duration", "Size", "Choice", "PathOf", "EndPoint", "SameLimit"];
        string[] keys = [.. from tree in House.Product.Trees
                            where tree.FilePath.StartsWith("src/FastRelay/Config/", StringComparison.Ordinal)
                            from call in tree.GetRoot().DescendantNodes().OfType<InvocationExpressionSyntax>()
                            where readers.Contains(call.Expression is MemberAccessExpressionSyntax member ? member.Name.Identifier.Text : call.Expression.ToString())
                            let key = call.ArgumentList.Arguments.Take(2).Select(argument => argument.Expression).OfType<LiteralExpressionSyntax>().FirstOrDefault()
                            // A reader of several keys takes the key as a variable and an example as text.
                            where key is not null && char.IsAsciiLetter(key.Token.ValueText[0])
                            select key.Token.ValueText];

        Assert.Contains("hostname", keys);
        Assert.Contains("token_file", keys);
        House.None(keys.Distinct().Where(key => !page.Contains($"`{key}`", StringComparison.Ordinal)), "Keys that the table in docs/OPERATIONS.md does not name:");
    }

    [Theory]
    [InlineData("packaging/prometheus/fastrelay.rules.yml")]
    [InlineData("packaging/grafana/fastrelay.json")]
    [InlineData("src/FastRelay.Host/Admin/Page/status.html")]
    public void Every_metric_that_is_watched_exists(string file)
    {
        string text = Read(file);
        string[] known = [.. FastRelay.Host.Admin.Figure.All.Select(figure => figure.Name), "info", "certificate_expires_seconds", "site_waiting", "site_stopped", "troubles_total", "delivery_delay_seconds_bucket", "delivery_delay_seconds_count"];
        // The page reads the same figures without their prefix.
        string[] named = [.. (file.EndsWith("html", StringComparison.Ordinal) ? PageFigure() : Metric()).Matches(text).Select(match => match.Groups[1].Value).Distinct()];

        Assert.True(named.Length >= 10);
        House.None(named.Except(known), $"{file} names metrics that there are not:");
    }

    [Fact]
    public void Every_metric_has_its_row_with_a_unit()
    {
        string text = Read("docs/METRICS.md");
        House.None(FastRelay.Host.Admin.Figure.All.Where(figure => !Regex.IsMatch(text, $@"\| `fastrelay_{figure.Name}` \| [^|]+ \| {Regex.Escape(figure.Help)} \|")).Select(figure => figure.Name), "docs/METRICS.md lacks:");
    }

    [Fact]
    public void Every_alert_is_explained_as_its_rule_says()
    {
        string text = Read("docs/OPERATIONS.md");
        MatchCollection alerts = Regex.Matches(Read("packaging/prometheus/fastrelay.rules.yml"), "- alert: (\\w+).*?description: \"([^\"]*)\"", RegexOptions.Singleline);
        Assert.True(alerts.Count >= 10);
        House.None(alerts.Where(alert => !text.Contains($"| `{alert.Groups[1].Value}` |", StringComparison.Ordinal) || !text.Contains($"| {alert.Groups[2].Value} |", StringComparison.Ordinal)).Select(alert => alert.Groups[1].Value), "docs/OPERATIONS.md lacks:");
    }

    private static bool FilesExist(string cell)
    {
        string[] files = [.. Quoted().Matches(cell).Select(match => match.Groups[1].Value)];
        return files.Length > 0 && files.All(file => File.Exists(Path.Combine(House.Root, file)));
    }

    private static bool TestsExist(string cell, ILookup<string, string> tests)
    {
        string[] named = [.. Quoted().Matches(cell).Select(match => match.Groups[1].Value)];
        return named.Length > 0 && named.All(name => name.Split('.') is [string type, string method]
            && tests[type].Any(text => text.Contains($" {method}(", StringComparison.Ordinal)));
    }

    private static string Read(string path) => File.ReadAllText(Path.Combine(House.Root, path));

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("(?<!^)([A-Z])")]
    private static partial Regex Snake();

    // A key's value carries its unit ("5m"), so its name does not.
    [GeneratedRegex("(Ms|Seconds)$")]
    private static partial Regex Unit();

    [GeneratedRegex("fastrelay_([a-z_]+)")]
    private static partial Regex Metric();

    [GeneratedRegex(@"(?:\bf\.|')([a-z]+_(?:[a-z_]*_total|[a-z]*bytes|[a-z]+))\b")]
    private static partial Regex PageFigure();

    [GeneratedRegex("^([a-z]+):", RegexOptions.Multiline)]
    private static partial Regex Target();

    [GeneratedRegex("make ([a-z]+)\\b(?=`| |\\n|\\))")]
    private static partial Regex MakeCommand();

    [GeneratedRegex(@"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();
}
