using System.Text;
using System.Text.RegularExpressions;
using FastRelay.Queue;
using FastRelay.Smtp;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Tidy;

/// <summary>
/// docs/LOG.md has every line of the log and every event of the stream, with its level and fields, and no other. The source is
/// read: from each call that begins a line the calls that add to it are followed, through variables and methods that hand a line on.
/// </summary>
public sealed partial class LogTest
{
    private static readonly Dictionary<string, string> s_levels = new() { ["Line"] = "info", ["Warn"] = "warn", ["Error"] = "error" };

    /// <summary>Methods that add a field whose name is their own.</summary>
    private static readonly Dictionary<string, string> s_named = new() { ["AddTenant"] = "tenant", ["AddPriority"] = "priority" };

    // Binding names takes seconds, and each is asked for twice.
    private static readonly Lazy<Written[]> s_lines = new(static () => [.. FindLines()]);

    private static readonly Lazy<Written[]> s_events = new(static () => [.. FindEvents()]);

    private static readonly string[] s_page = File.ReadAllLines(Path.Combine(House.Root, "docs/LOG.md"));

    [Fact]
    public void Every_line_of_the_log_has_its_row_with_level_and_fields() =>
        Same(
            s_lines.Value.GroupBy(static line => line.Name).Select(static same => Row(same.Key, same.Select(static line => line.Level), same.SelectMany(static line => line.Fields))),
            Rows("| `event` | `level` |").Select(static cells => Row(Words(cells[0]).Single(), cells[1].Split(", "), Words(cells[2]))));

    [Fact]
    public void Every_event_has_its_row_with_fields()
    {
        var rows = new List<string>();
        string[] fields = [];
        foreach (string[] cells in Rows("| `event` | when |"))
        {
            // "the same" is that of the row above.
            fields = Words(cells[2]) is { Length: > 0 } own ? own : fields;
            rows.Add(Row(Words(cells[0]).Single(), [], fields));
        }
        Same(s_events.Value.GroupBy(static line => line.Name).Select(static same => Row(same.Key, [], same.SelectMany(static line => line.Fields))), rows);
    }

    [Fact]
    public void Every_field_is_explained()
    {
        Same(s_lines.Value.SelectMany(static line => line.Fields), Rows("| field | unit |").Select(static cells => Words(cells[0]).Single()));
        Same(s_events.Value.SelectMany(static line => line.Fields), Rows("| field | type |").Select(static cells => Words(cells[0]).Single()));
    }

    [Fact]
    public void Every_cause_has_a_word_of_its_own_which_the_page_names()
    {
        string[] words = [.. Enum.GetValues<OutcomeCause>().Where(static cause => cause != OutcomeCause.None).Select(static cause => Encoding.ASCII.GetString(OutcomeWords.Of(cause)))];
        Assert.DoesNotContain("none", words);
        Assert.Equal(words.Length, words.Distinct().Count());
        Same(words, Words(Rows("| field | unit |").Single(static cells => cells[0] == "`cause`")[2]).Where(static word => !word.EndsWith(':')));
    }

    [Fact]
    public void Every_class_of_trouble_is_named()
    {
        MethodDeclarationSyntax[] methods = [.. House.Product.Trees.Single(static tree => tree.FilePath.EndsWith("/BounceClass.cs", StringComparison.Ordinal))
            .GetRoot().DescendantNodes().OfType<MethodDeclarationSyntax>().Where(static method => method.Identifier.Text is "Of" or "OfReply")];
        string page = string.Join('\n', s_page);
        page = page[page.IndexOf("\n`class` says", StringComparison.Ordinal)..page.IndexOf("\n## Events", StringComparison.Ordinal)];
        Assert.Equal(2, methods.Length);
        // Those of replies' words stand in a table beside the methods, behind the word.
        IEnumerable<string> table = methods[0].FirstAncestorOrSelf<TypeDeclarationSyntax>()!.DescendantNodes().OfType<TupleExpressionSyntax>()
            .Where(static row => Literals(row).Length == 2).Select(static row => Literals(row)[1]);
        House.None(methods.SelectMany(Literals).Concat(table).Distinct().Except(BounceClass.Names), "Classes that BounceClass.Names does not have, so that counting one would end the process:");
        Same(BounceClass.Names, Words(page).Where(static word => word != "class"));
    }

    private static IEnumerable<Written> FindLines() =>
        from tree in House.Product.Trees
        from found in House.Product.Names(tree, s_levels.Keys.ToHashSet())
        where found.Symbol is IMethodSymbol { ContainingType.Name: "Log" }
        let call = found.Name.FirstAncestorOrSelf<InvocationExpressionSyntax>()!
        from name in NamesOf(call)
        select new Written(name, s_levels[found.Name.Identifier.Text], Fields(call));

    private static IEnumerable<Written> FindEvents() =>
        (from tree in House.Product.Trees
         from found in House.Product.Names(tree, new HashSet<string> { "Begin" })
         where found.Symbol is IMethodSymbol { ContainingType.Name: "EventStream" }
         let call = found.Name.FirstAncestorOrSelf<InvocationExpressionSyntax>()!
         from name in NamesOf(call)
         select new Written(name, "", Fields(call)))
        .Concat(
            from tree in House.Product.Trees
            from creation in tree.GetRoot().DescendantNodes().OfType<ObjectCreationExpressionSyntax>()
            where creation.Type.ToString() == "EventLine"
            from name in Literals(creation.ArgumentList!)
            select new Written(name, "", Fields(creation)));

    /// <summary>The names that a line may begin with: texts in place, or those of the method that is asked.</summary>
    private static string[] NamesOf(InvocationExpressionSyntax call)
    {
        string[] names = Literals(call.ArgumentList);
        if (names.Length == 0)
        {
            ISymbol asked = House.Product.Names(call.SyntaxTree, new HashSet<string> { "Of" }).Single(found => call.ArgumentList.Span.Contains(found.Name.Span)).Symbol;
            names = Literals(asked.DeclaringSyntaxReferences.Single().GetSyntax());
        }
        Assert.True(names.Length > 0, $"{House.Place(call)}: a line whose name cannot be found");
        return names;
    }

    private static HashSet<string> Fields(ExpressionSyntax line)
    {
        var fields = new HashSet<string>();
        Follow(line, fields);
        return fields;
    }

    private static void Follow(SyntaxNode line, HashSet<string> fields)
    {
        switch (line.Parent)
        {
            case ParenthesizedExpressionSyntax or ConditionalExpressionSyntax:
                Follow(line.Parent, fields);
                break;
            case MemberAccessExpressionSyntax { Parent: InvocationExpressionSyntax call } access when access.Expression == line && access.Name.Identifier.Text is not ("Write" or "End"):
                fields.Add(s_named.GetValueOrDefault(access.Name.Identifier.Text) ?? Literals(call.ArgumentList.Arguments[0]).Single());
                Follow(call, fields);
                break;
            case EqualsValueClauseSyntax { Parent: VariableDeclaratorSyntax variable }:
                foreach (IdentifierNameSyntax use in variable.FirstAncestorOrSelf<MethodDeclarationSyntax>()!.DescendantNodes().OfType<IdentifierNameSyntax>())
                {
                    if (use.Identifier.Text == variable.Identifier.Text)
                    {
                        Follow(use, fields);
                    }
                }
                break;
            case ArrowExpressionClauseSyntax { Parent: MethodDeclarationSyntax method } when method.ReturnType.ToString() is "LogLine" or "EventLine":
                foreach (SyntaxTree tree in House.Product.Trees)
                {
                    foreach ((SimpleNameSyntax name, _) in House.Product.Names(tree, new HashSet<string> { method.Identifier.Text }))
                    {
                        Follow(name.FirstAncestorOrSelf<InvocationExpressionSyntax>()!, fields);
                    }
                }
                break;
        }
    }

    private static string[] Literals(SyntaxNode node) =>
        [.. node.DescendantNodesAndSelf().OfType<LiteralExpressionSyntax>().Where(static literal => literal.IsKind(SyntaxKind.Utf8StringLiteralExpression)).Select(static literal => literal.Token.ValueText)];

    private static string Row(string name, IEnumerable<string> levels, IEnumerable<string> fields) =>
        $"{name} ({string.Join(", ", levels.Distinct().Order(StringComparer.Ordinal))}): {string.Join(", ", fields.Distinct().Order(StringComparer.Ordinal))}";

    /// <summary>The cells of every row of the tables with such a head.</summary>
    private static IEnumerable<string[]> Rows(string head)
    {
        for (int i = 0; i < s_page.Length; i++)
        {
            if (s_page[i].StartsWith(head, StringComparison.Ordinal))
            {
                for (i += 2; i < s_page.Length && s_page[i].StartsWith("| ", StringComparison.Ordinal); i++)
                {
                    yield return s_page[i][2..^2].Split(" | ");
                }
            }
        }
    }

    private static string[] Words(string text) => [.. Quoted().Matches(text).Select(static match => match.Groups[1].Value)];

    private static void Same(IEnumerable<string> source, IEnumerable<string> page)
    {
        string[] written = [.. source.Distinct()];
        string[] told = [.. page];
        Assert.True(written.Length > 5);
        Assert.Equal(told.Length, told.Distinct().Count());
        House.None(written.Except(told).Select(static row => $"only in the source: {row}").Concat(told.Except(written).Select(static row => $"only on the page: {row}")).Order(StringComparer.Ordinal), "docs/LOG.md and the source differ:");
    }

    private sealed record Written(string Name, string Level, HashSet<string> Fields);

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();
}
