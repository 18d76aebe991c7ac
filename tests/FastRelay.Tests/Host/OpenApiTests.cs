using System.Collections;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Tests.Tidy;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace FastRelay.Tests.Host;

/// <summary>openapi.json says what the code does: its paths are the routes, its shapes the models with their comments.</summary>
public sealed class OpenApiTests
{
    private const string File = "src/FastRelay.Host/Admin/Http/openapi.json";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly Dictionary<string, XElement> s_comments = new[] { "FastRelay.Host.xml", "FastRelay.xml" }
        .SelectMany(name => XDocument.Load(Path.Combine(AppContext.BaseDirectory, name)).Descendants("member"))
        .GroupBy(member => member.Attribute("name")!.Value)
        .ToDictionary(group => group.Key, group => group.First());

    private static JsonNode Document => JsonNode.Parse(OpenApi.Document.Span)!;

    [Fact]
    public void Its_paths_are_the_routes()
    {
        Microsoft.CodeAnalysis.SyntaxNode code = House.Product.Trees.Single(tree => tree.FilePath.EndsWith("/AdminHttp.cs", StringComparison.Ordinal)).GetRoot();
        string[] cases = [.. code.DescendantNodes().OfType<CasePatternSwitchLabelSyntax>().SelectMany(static label => label.Pattern.DescendantNodesAndSelf().OfType<LiteralExpressionSyntax>())
            .Select(static literal => literal.Token.ValueText).Where(static text => text.StartsWith('/'))];
        string[] actions = [.. code.DescendantNodes().OfType<SwitchExpressionArmSyntax>().Select(static arm => arm.Pattern).OfType<ConstantPatternSyntax>()
            .Select(static pattern => (pattern.Expression as LiteralExpressionSyntax)?.Token.ValueText).OfType<string>().Select(static name => $"/api/queue/{name}")];
        Assert.Equal(Enum.GetNames<QueueAction>().Length, actions.Length);
        string[] routes = [.. cases, .. actions, "/api/queue", "/api/queue/{id}"];
        Assert.Equal(routes.Order(StringComparer.Ordinal), Document["paths"]!.AsObject().Select(static path => path.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_path_answers_by_the_method_that_is_described()
    {
        const string Token = "0123456789abcdef-secret";
        await using ScriptedAdmin admin = await ScriptedAdmin.StartAsync(Token);
        admin.Desk.Reloaded = new([], [], []);
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        foreach ((string path, JsonNode? described) in Document["paths"]!.AsObject())
        {
            bool post = described!["post"] is not null;
            var address = new Uri($"http://127.0.0.1:{admin.Port}{path.Replace("{id}", "0000000000001", StringComparison.Ordinal)}{(path == "/api/explain" ? "?target=one.test" : "")}");
            using var request = new HttpRequestMessage(post ? HttpMethod.Post : HttpMethod.Get, address);
            if (post)
            {
                string body = path.StartsWith("/api/sites", StringComparison.Ordinal) ? "{\"site\":\"one.test\"}" : path == "/api/reload" ? "{}" : "{\"all\":true}";
                request.Content = new StringContent(body, null, "application/json");
            }
            using HttpResponseMessage answer = await http.SendAsync(request);
            Assert.True(answer.IsSuccessStatusCode, $"{path}: {(int)answer.StatusCode}");
            string media = described[post ? "post" : "get"]!["responses"]!["200"]!["content"]!.AsObject().Single().Key;
            Assert.Equal((path, media), (path, answer.Content.Headers.ContentType!.MediaType));
        }
    }

    [Fact]
    public void Its_shapes_are_the_models()
    {
        var wanted = new JsonObject();
        foreach (Type type in typeof(AdminJson).GetCustomAttributesData().Where(static one => one.AttributeType == typeof(JsonSerializableAttribute)).Select(static one => (Type)one.ConstructorArguments[0].Value!))
        {
            Shape(type, wanted);
        }
        JsonNode document = Document;
        if (!JsonNode.DeepEquals(wanted, document["components"]!["schemas"]))
        {
            document["components"]!["schemas"] = wanted;
            string right = Path.Combine(House.Root, "artifacts", "openapi.json");
            Directory.CreateDirectory(Path.GetDirectoryName(right)!);
            System.IO.File.WriteAllText(right, document.ToJsonString(s_indented) + "\n");
            Assert.Fail($"{File} differs from the models; what would be right is in {right}");
        }
        // And every name that is referred to is there.
        string[] named = [.. Regex.Matches(document.ToJsonString(), "#/components/schemas/([A-Za-z]+)").Select(static match => match.Groups[1].Value).Distinct()];
        Assert.Empty(named.Except(wanted.Select(static one => one.Key)));
    }

    [Fact]
    public void Its_states_are_the_queues()
    {
        JsonNode state = Document["paths"]!["/api/queue"]!["get"]!["parameters"]!.AsArray().Single(static one => (string?)one!["name"] == "state")!;
        Assert.Equal(QueueStates.All, state["schema"]!["enum"]!.AsArray().Select(static one => (string)one!));
    }

    private static JsonObject Shape(Type type, JsonObject all)
    {
        Type bare = Nullable.GetUnderlyingType(type) ?? type;
        if (bare == typeof(string))
        {
            return new JsonObject { ["type"] = "string" };
        }
        if (bare == typeof(bool))
        {
            return new JsonObject { ["type"] = "boolean" };
        }
        if (bare == typeof(int) || bare == typeof(long))
        {
            return new JsonObject { ["type"] = "integer" };
        }
        if (bare == typeof(double))
        {
            return new JsonObject { ["type"] = "number" };
        }
        if (bare == typeof(DateTimeOffset))
        {
            return new JsonObject { ["type"] = "string", ["format"] = "date-time" };
        }
        if (bare.IsGenericType && bare.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))
        {
            return new JsonObject { ["type"] = "object", ["additionalProperties"] = Shape(bare.GetGenericArguments()[1], all) };
        }
        if (typeof(IEnumerable).IsAssignableFrom(bare))
        {
            return new JsonObject { ["type"] = "array", ["items"] = Shape(bare.GetGenericArguments()[0], all) };
        }
        if (!all.ContainsKey(bare.Name))
        {
            all[bare.Name] = null;
            all[bare.Name] = Model(bare, all);
        }
        return new JsonObject { ["$ref"] = $"#/components/schemas/{bare.Name}" };
    }

    private static JsonObject Model(Type type, JsonObject all)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        var nullability = new NullabilityInfoContext();
        foreach (PropertyInfo property in type.GetProperties().Where(static one => one.GetCustomAttribute<JsonIgnoreAttribute>() is null))
        {
            string name = JsonNamingPolicy.CamelCase.ConvertName(property.Name);
            JsonObject shape = Shape(property.PropertyType, all);
            shape["description"] = Comment(type, property);
            properties[name] = shape;
            if (nullability.Create(property).ReadState == NullabilityState.NotNull)
            {
                required.Add(name);
            }
        }
        var model = new JsonObject { ["type"] = "object", ["description"] = Plain(s_comments[$"T:{type.FullName}"].Element("summary")!), ["properties"] = properties };
        // What is sent may leave out what has a default; only answers are always whole.
        if (required.Count > 0 && type != typeof(QueueSelection) && type != typeof(SiteSuspension))
        {
            model["required"] = required;
        }
        return model;
    }

    private static string Comment(Type type, PropertyInfo property) =>
        s_comments.TryGetValue($"P:{type.FullName}.{property.Name}", out XElement? own) && own.Element("summary") is { } summary ? Plain(summary)
        : Plain(s_comments[$"T:{type.FullName}"].Elements("param").Single(one => one.Attribute("name")!.Value == property.Name));

    private static string Plain(XElement comment)
    {
        foreach (XElement see in comment.Descendants().Where(static one => one.Attribute("cref") is not null || one.Attribute("langword") is not null).ToList())
        {
            string target = (see.Attribute("cref") ?? see.Attribute("langword"))!.Value;
            see.ReplaceWith(JsonNamingPolicy.CamelCase.ConvertName(target[(target.LastIndexOf('.') + 1)..]));
        }
        return Regex.Replace(comment.Value, @"\s+", " ").Trim();
    }
}
